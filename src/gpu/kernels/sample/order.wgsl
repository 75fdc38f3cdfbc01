// What every kernel of the sampler shares: logits as integers that sort alike, the least of a workgroup, and the rows.

const WIDTH = 256u; // invocations of a workgroup
const CHUNK = 2048u; // tokens of a workgroup

// Sizes are data and no constants, so that one compilation serves every model.
struct Sizes {
  vocabulary: u32,
  chunks: u32, // ⌈vocabulary / CHUNK⌉
  context: u32, // positions of a slot's history
  mask_words: u32, // ⌈vocabulary / 32⌉
}

// Nothing is above or below these keys, those of ±1e30, so that differences of logits stay finite. A token that the mask
// forbids has key 0.
const GREATEST_KEY = 0xf149f2cau;
const LEAST_KEY = 0x0eb60d35u;
const FORBIDDEN = 0u;

// A pair of every invocation. Workgroup memory is kept small: SwiftShader compiles a store for each word of it.
var<workgroup> w_pair_x: array<u32, WIDTH>;
var<workgroup> w_pair_y: array<u32, WIDTH>;

// A larger logit has a larger key; both zeros have the same.
fn key_of(logit: f32) -> u32 {
  var bits = bitcast<u32>(logit);
  bits = select(bits, 0u, bits == 0x80000000u);
  return clamp(select(bits | 0x80000000u, ~bits, bits >= 0x80000000u), LEAST_KEY, GREATEST_KEY);
}

fn logit_of(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key ^ 0x80000000u, key >= 0x80000000u));
}

// The pair (order, id) that comes first. Every invocation of a row's choice brings the first of its own pairs: the likeliest
// token has the least order, the lowest id wins a tie, and the result does not depend on who brings what.
fn first_of(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  return select(b, a, a.x < b.x || (a.x == b.x && a.y < b.y));
}

const NONE = vec2<u32>(0xffffffffu, 0xffffffffu);

// The first pair of the workgroup, to all of its invocations.
fn first_of_workgroup(lane: u32, mine: vec2<u32>) -> vec2<u32> {
  w_pair_x[lane] = mine.x;
  w_pair_y[lane] = mine.y;
  for (var half = WIDTH / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      let best = first_of(
        vec2(w_pair_x[lane], w_pair_y[lane]),
        vec2(w_pair_x[lane + half], w_pair_y[lane + half]),
      );
      w_pair_x[lane] = best.x;
      w_pair_y[lane] = best.y;
    }
  }
  workgroupBarrier();
  let best = vec2(w_pair_x[0], w_pair_y[0]);
  workgroupBarrier();
  return best;
}
