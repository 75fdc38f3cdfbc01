import type { LoadedModel } from '../gpu/contract.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { LapisError } from '../protocol/errors.ts';
import type { GenerateEvent, GenerateRequest } from '../protocol/generation.ts';
import type { GenerateOptions, TextEngine } from './contract.ts';
import { Generation } from './generation.ts';
import { prepareRequest } from './request.ts';
import { Scheduler } from './scheduler.ts';

export interface EngineOptions {
  model: LoadedModel;
  tokenizer: Tokenizer;
  /** How long loading took, for the timings of each answer. */
  loadMs?: number;
  /** Submits of steps before the first of them is read back; default 3. */
  submitsInFlight?: number;
}

/** An engine on a loaded model. It takes all of the model's slots for itself and lives until the model's device is lost or destroyed. */
export function createEngine({ model, tokenizer, loadMs = 0, submitsInFlight = 3 }: EngineOptions): TextEngine {
  const scheduler = new Scheduler(model, submitsInFlight);
  return {
    model,
    tokenizer,
    generate(request: GenerateRequest, options: GenerateOptions = {}): AsyncIterable<GenerateEvent> {
      try {
        const prepared = prepareRequest(request, { tokenizer, contextTokens: model.contextTokens });
        const generation = new Generation(prepared, tokenizer, loadMs, options);
        generation.begin();
        if (!generation.done) scheduler.add(generation);
        return generation.events;
      } catch (error) {
        return failed(LapisError.from(error));
      }
    },
    withSlot: (use) => scheduler.withSlot(use),
  };
}

async function* failed(error: LapisError): AsyncIterable<GenerateEvent> {
  yield { type: 'error', error: error.toPayload() };
}
