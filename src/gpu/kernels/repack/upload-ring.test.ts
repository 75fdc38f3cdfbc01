import { expect, test } from 'vitest';
import { openTestDevice } from '../../../../tests/gpu/test-device.ts';
import { LapisError } from '../../../protocol/errors.ts';
import { COPY_DST, COPY_SRC } from '../../device.ts';
import { UploadRing } from './upload-ring.ts';

test('every byte arrives once, in its place, over many turns', async () => {
  const { device, close } = await openTestDevice();
  const lengths = [UploadRing.pieceBytes, 4, 1000, 3 * 2 ** 20, 5 * 2 ** 20 + 4, 252, 260, UploadRing.pieceBytes - 4];
  const pieces = [...lengths, ...lengths].map((length, index) => {
    const words = new Uint32Array(length / 4);
    for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 2654435761) ^ (index << 28);
    return new Uint8Array(words.buffer);
  });
  const total = pieces.reduce((sum, { length }) => sum + length, 0);
  const target = device.createBuffer('target', total, COPY_DST | COPY_SRC);
  const ring = new UploadRing(device);
  const expected = new Uint8Array(total);
  let at = 0;
  for (const piece of pieces) {
    const targetOffset = at;
    expected.set(piece, at);
    at += piece.length;
    // One array for all, since what was put is the caller's again.
    const mine = piece.slice();
    await ring.put([mine], (encoder, staging, offset) =>
      encoder.copyBufferToBuffer(staging, offset, target, targetOffset, piece.length),
    );
    mine.fill(0xff);
  }
  ring.flush();
  const arrived = new Uint8Array(await device.read(target, total));
  expect(Buffer.compare(arrived, expected)).toBe(0);
  ring.destroy();
  target.destroy();
  expect(device.bytes).toBe(0);
  close();
});

test('what is put while the device is lost is refused as such, at the latest when its turn comes', async () => {
  const { device, close } = await openTestDevice();
  const ring = new UploadRing(device);
  const piece = new Uint8Array(UploadRing.pieceBytes);
  const put = async () => {
    for (let i = 0; i < 10; i++) await ring.put([piece], () => {});
  };
  device.destroy();
  const error = await put().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LapisError);
  expect(error).toMatchObject({ code: 'device-lost' });
  ring.destroy();
  close();
});
