/*
 * Names of Gemma 3's tensors in Hugging Face checkpoints and in GGUF (llama.cpp's gguf-py/gguf/tensor_mapping.py).
 */

/** Where the text model stands in text-only checkpoints, and in multimodal ones of transformers before and since 4.52. */
const PREFIXES = ['language_model.model.', 'model.language_model.', 'model.'];

/** What multimodal checkpoints hold beside the text model. */
const OTHER_TOWERS = /^(model\.)?(vision_tower|multi_modal_projector)\./;

// Maps, not objects: a tensor may be called "constructor".
const OUTSIDE_LAYERS = new Map([
  ['embed_tokens.weight', 'token_embd.weight'],
  ['norm.weight', 'output_norm.weight'],
]);

const IN_LAYER = new Map([
  ['input_layernorm.weight', 'attn_norm.weight'],
  ['self_attn.q_proj.weight', 'attn_q.weight'],
  ['self_attn.k_proj.weight', 'attn_k.weight'],
  ['self_attn.v_proj.weight', 'attn_v.weight'],
  ['self_attn.q_norm.weight', 'attn_q_norm.weight'],
  ['self_attn.k_norm.weight', 'attn_k_norm.weight'],
  ['self_attn.o_proj.weight', 'attn_output.weight'],
  ['post_attention_layernorm.weight', 'post_attention_norm.weight'],
  ['pre_feedforward_layernorm.weight', 'ffn_norm.weight'],
  ['mlp.gate_proj.weight', 'ffn_gate.weight'],
  ['mlp.up_proj.weight', 'ffn_up.weight'],
  ['mlp.down_proj.weight', 'ffn_down.weight'],
  ['post_feedforward_layernorm.weight', 'post_ffw_norm.weight'],
]);

/** Whether a tensor belongs to the vision tower or its projector, which a text model leaves out. */
export function isOtherTower(name: string): boolean {
  return OTHER_TOWERS.test(name);
}

/** The GGUF name of a Hugging Face tensor; undefined for one that a Gemma 3 text model does not have. */
export function ggufName(name: string): string | undefined {
  if (name === 'lm_head.weight' || name === 'language_model.lm_head.weight') return 'output.weight';
  const prefix = PREFIXES.find((candidate) => name.startsWith(candidate));
  if (!prefix) return undefined;
  const rest = name.slice(prefix.length);
  const layer = /^layers\.(\d+)\.(.+)$/.exec(rest);
  if (!layer) return OUTSIDE_LAYERS.get(rest);
  const inLayer = IN_LAYER.get(layer[2]);
  return inLayer && `blk.${Number(layer[1])}.${inLayer}`;
}
