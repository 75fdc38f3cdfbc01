import { generatedPlan, generatedSources, headPlan, promptPlan } from './gemma3-plan.ts';
import type { Dispatch } from './kernel.ts';
import type { SamplerMode } from './kernels/sample/options.ts';
import { Sampler } from './kernels/sample/sample.ts';
import { rowsTogether } from './linear-operands.ts';
import type { PlanContext } from './plan-context.ts';
import { bindEach, type PlanStep, type StepSource } from './plan-step.ts';
import { MAX_GENERATED_ROWS } from './rows.ts';

/** How a chat's answer is sampled. */
const DRAWN = { stochastic: true, penalties: false, mask: false, logProbabilities: false };
/** The rest: masks need no more. */
const RARER = [
  { ...DRAWN, penalties: true },
  { ...DRAWN, logProbabilities: true },
];

/** Everything of a model that is compiled: what one answer takes with the model, what others take when it is needed or ahead of it. */
export class CompiledPlans {
  /** What a chunk of a prompt takes, and the head behind the last. */
  readonly prompt: readonly PlanStep[];
  readonly promptHead: readonly PlanStep[];
  readonly #context: PlanContext;
  readonly #samplers: Record<'prompt' | 'generated', Sampler>;
  /** By the number of rows that they take together. */
  readonly #generated = new Map<number, Promise<PlanStep[]>>();
  readonly #sources = new Map<number, StepSource[]>();

  private constructor(
    context: PlanContext,
    samplers: Record<'prompt' | 'generated', Sampler>,
    plans: { prompt: PlanStep[]; promptHead: PlanStep[]; alone: PlanStep[] },
  ) {
    this.#context = context;
    this.#samplers = samplers;
    this.prompt = plans.prompt;
    this.promptHead = plans.promptHead;
    this.#generated.set(1, Promise.resolve(plans.alone));
  }

  /** Compiles what one greedy answer takes; with `drawn`, also what one takes that is sampled as a chat's. Throws `internal`. */
  static async compile(context: PlanContext, { drawn }: { drawn: boolean }): Promise<CompiledPlans> {
    const { device, buffers, contextTokens, config } = context;
    const { vocabularySize } = config;
    const compiling = Sampler.compile(device, {
      vocabularySize,
      contextTokens,
      maxRows: MAX_GENERATED_ROWS,
      buffers: { ...buffers, ...buffers.generated },
    });
    const ready = async (sampler: Sampler) => {
      if (drawn) await sampler.ready(DRAWN);
      return sampler;
    };
    const [prompt, promptHead, alone, promptSampler, generatedSampler] = await Promise.all([
      promptPlan(context),
      headPlan(context),
      generatedPlan(context, 1),
      compiling.then((sampler) => sampler.forBatch(buffers.prompt)).then(ready),
      compiling.then(ready),
    ]);
    return new CompiledPlans(
      context,
      { prompt: promptSampler, generated: generatedSampler },
      { prompt, promptHead, alone },
    );
  }

  /** What a token generated in each of up to `count` slots takes. */
  generated(count: number): Promise<PlanStep[]> {
    const rows = rowsTogether(count);
    let plan = this.#generated.get(rows);
    if (!plan) {
      plan = bindEach(this.#context.device, this.#sourcesOf(rows));
      this.#generated.set(rows, plan);
    }
    return plan;
  }

  /** What samples rows of a batch in a mode. */
  async sampling(batch: 'prompt' | 'generated', mode: SamplerMode): Promise<Dispatch[]> {
    await this.#samplers[batch].ready(mode);
    return this.#samplers[batch].dispatches(mode);
  }

  /**
   * Compiles what not every answer needs, steps of up to `slotCount` slots and the rarer settings, one kernel after the other, so that an
   * answer meanwhile waits for one at most. Throws `internal` as those would whose kernel it is.
   */
  async compileAhead(slotCount: number): Promise<void> {
    const { device } = this.#context;
    const most = Math.min(slotCount, MAX_GENERATED_ROWS);
    const together = new Set(Array.from({ length: most }, (_, i) => rowsTogether(i + 1)));
    together.delete(1);
    for (const rows of together) {
      const plan: PlanStep[] = [];
      for (const source of this.#sourcesOf(rows)) {
        plan.push(...(await bindEach(device, [source])));
        // A kernel that is there already takes no turn of the event loop, and the tokens that are being read back would wait.
        await new Promise((resolve) => setTimeout(resolve));
      }
      // Unless somebody has needed it meanwhile.
      if (!this.#generated.has(rows)) this.#generated.set(rows, Promise.resolve(plan));
    }
    for (const mode of RARER) {
      for (const sampler of Object.values(this.#samplers)) await sampler.ready(mode);
    }
  }

  #sourcesOf(rows: number): StepSource[] {
    const sources = this.#sources.get(rows) ?? generatedSources(this.#context, rows);
    this.#sources.set(rows, sources);
    return sources;
  }
}
