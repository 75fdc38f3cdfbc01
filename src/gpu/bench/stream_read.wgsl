// Reads a buffer once: what the memory gives at best. Each invocation sums every STRIDE-th vec4, four at a step.
@group(0) @binding(0) var<storage, read> source: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> sums: array<u32>;

const STRIDE = GROUPS * 256u;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  var sum = vec4<u32>();
  for (var i = id.x; i + 3u * STRIDE < COUNT; i += 4u * STRIDE) {
    sum += (source[i] ^ source[i + STRIDE]) + (source[i + 2u * STRIDE] ^ source[i + 3u * STRIDE]);
  }
  if (sum.x + sum.y + sum.z + sum.w == 1u) {
    sums[0] = sum.x;
  }
}
