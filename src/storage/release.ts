/** Gives a buffer's memory back now, and not when garbage is collected. Node 20 cannot. */
export function release({ buffer }: Uint8Array<ArrayBuffer>): void {
  if ('transfer' in buffer && typeof buffer.transfer === 'function') buffer.transfer(0);
}
