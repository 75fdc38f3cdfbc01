import { LapisError } from '../../protocol/errors.ts';

/** What `work` fails with, which has to be a LapisError. */
export async function failure(work: Promise<unknown>): Promise<LapisError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof LapisError) return error;
    throw error;
  }
  throw new Error('It did not fail.');
}
