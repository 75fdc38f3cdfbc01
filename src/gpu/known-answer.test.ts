import { expect, test } from 'vitest';
import { openTestDevice } from '../../tests/gpu/test-device.ts';
import { LapisError } from '../protocol/errors.ts';
import { chooseKernels } from './known-answer.ts';

test('right kernels stay, wrong ones give way to the naive ones, with a sentence', async () => {
  const { device, close } = await openTestDevice({ naive: false });
  try {
    expect(await chooseKernels(device)).toBeUndefined();
    expect(device.features).toMatchObject({ naive: false, sharedBindGroups: true });

    device.read = async (_, bytes) => new ArrayBuffer(bytes);
    expect(await chooseKernels(device)).toMatch(/failed their known-answer test \(prompt rows: 0 instead of -?\d+\)/);
    expect(device.features.naive).toBe(true);
  } finally {
    close();
  }
});

test('kernels that are wrong through shared views alone stay, with bind groups of their own', async () => {
  const { device, close } = await openTestDevice({ naive: false });
  try {
    const read = device.read.bind(device);
    device.read = async (buffer, bytes, offset) => (offset ? new ArrayBuffer(bytes) : read(buffer, bytes));
    expect(await chooseKernels(device)).toBeUndefined();
    expect(device.features).toMatchObject({ naive: false, sharedBindGroups: false });
  } finally {
    close();
  }
});

test('kernels that do not compile in pairs stay, each in a pipeline of its own', async () => {
  const { device, close } = await openTestDevice({ naive: false });
  try {
    const labels: string[] = [];
    const pipeline = device.pipeline.bind(device);
    device.pipeline = (label, ...others) => {
      labels.push(label);
      return label.includes(' or ') ? Promise.reject(new LapisError('internal', label)) : pipeline(label, ...others);
    };
    expect(await chooseKernels(device)).toBeUndefined();
    expect(device.features).toMatchObject({ naive: false, sharedBindGroups: true });
    expect(labels).toContain('matvec F32 or matvec F32');
  } finally {
    close();
  }
});
