import { generateKeyPairSync, sign } from 'node:crypto';

/** A key and a certificate of the least that TLS takes (RFC 5280, version 1), which no browser trusts unless it is told to. */
export function selfSigned(): { key: string; cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const der = (tag: number, ...parts: Uint8Array[]): Buffer => {
    const body = Buffer.concat(parts);
    // In as few bytes as can be.
    const { length: size } = body;
    const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255];
    return Buffer.concat([Buffer.from([tag, ...length]), body]);
  };
  const sequence = (...parts: Uint8Array[]) => der(0x30, ...parts);
  const utcTime = (text: string) => der(0x17, Buffer.from(text));
  // 1.2.840.10045.4.3.2, ecdsa-with-SHA256.
  const algorithm = sequence(der(6, Buffer.from('2a8648ce3d040302', 'hex')));
  // 2.5.4.3, the common name.
  const name = sequence(der(0x31, sequence(der(6, Buffer.from('550403', 'hex')), der(12, Buffer.from('test')))));
  const content = sequence(
    der(2, Buffer.from([1])),
    algorithm,
    name,
    sequence(utcTime('200101000000Z'), utcTime('491231000000Z')),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = sign('sha256', content, privateKey);
  const certificate = sequence(content, algorithm, der(3, Buffer.from([0]), signature));
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64')}\n-----END CERTIFICATE-----\n`,
  };
}
