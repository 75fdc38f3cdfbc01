import type { TextEngine } from '../engine/contract.ts';
import type { GenerateRequest } from '../protocol/generation.ts';
import { printable } from '../protocol/printable.ts';
import type { CatalogueModel, Probe } from '../storage/catalogue.ts';
import type { ModelRecord, ProbeOutcome } from '../storage/record.ts';

/** That of the catalogue model whose published bytes these are, wherever they came from. */
export function probeOf(
  catalogue: readonly CatalogueModel[],
  { sha256 }: Pick<ModelRecord, 'sha256'> = {},
): Probe | undefined {
  if (!sha256) return undefined;
  return catalogue.find(({ origin }) => origin.kind === 'url' && origin.sha256 === sha256)?.probe;
}

/**
 * Asks a loaded model what it must know. A model that answers otherwise was damaged, or is computed wrongly on this machine.
 *
 * @returns the verdict; undefined when there is none, because the question itself failed or `signal` ended it
 */
export async function runProbe(
  { prompt, answer }: Probe,
  engine: TextEngine,
  signal: AbortSignal,
): Promise<ProbeOutcome | undefined> {
  // Greedy: the one token is the likeliest.
  const request: GenerateRequest = { prompt: { kind: 'completion', text: prompt }, maxTokens: 1 };
  try {
    for await (const event of engine.generate(request, { signal })) {
      if (event.type === 'error') return undefined;
      if (event.type !== 'end' || event.finishReason === 'abort') continue;
      if (event.text === answer) return 'passed';
      const said = event.text.trim();
      return {
        failed: `Its answers on this machine are not to be trusted: it goes on after “${prompt}” with ${said ? `“${printable(said)}”` : 'nothing'}, not with “${answer.trim()}”.`,
      };
    }
  } catch {
    // Whatever is wrong with the question, the model may still serve.
  }
  return undefined;
}
