/**
 * The same bytes in memory of their own. Node cuts small buffers out of blocks of 64 kB, zlib and sockets give parts of what they
 * worked in: whoever keeps 3 kB of such a block keeps all of it.
 */
export function copyToKeep(bytes: Buffer): Buffer {
  if (bytes.buffer.byteLength === bytes.length) return bytes;
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
