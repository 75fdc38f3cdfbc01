/** How matvec spreads over invocations. */
interface MatvecGeometry {
  workgroup: number;
  /** Invocations that share one output: the order of a sum follows from it. */
  lanes: number;
  /** Outputs of a team. */
  outputs: number;
}

/** Teams as wide as it takes to have this many invocations: what keeps a large GPU's memory busy. */
const ENOUGH_INVOCATIONS = 65_536;
/** Few rows of weights leave room for wider teams, whose steps are a chain. */
const FEW_OUTPUTS = 4096;
const FEW_STEPS = 4;
/** Up to so many, wider teams gain where their last step wastes no more; beyond, and where outputs are few, they lose. */
const MANY_INVOCATIONS = 2 ** 19;

/**
 * Lanes by the matrix alone, so that a row's bits do not depend on the rows beside it: of 8 to 128 (32 for gated products) the fewest that give enough
 * invocations and few steps over the groups of 16 columns, and more where the last step then wastes fewer.
 */
export function matvecGeometry(
  matrix: { rows: number; columns: number },
  outputs: number,
  halves: number,
  rows: number,
): MatvecGeometry {
  const groups = matrix.columns / 16;
  const used = (lanes: number) => groups / (Math.ceil(groups / lanes) * lanes);
  const teams = matrix.rows / halves;
  const enough = Math.max(ENOUGH_INVOCATIONS / teams, teams <= FEW_OUTPUTS ? groups / FEW_STEPS : 0);
  const mayBeWide = (lanes: number) => teams > FEW_OUTPUTS && teams * lanes <= MANY_INVOCATIONS;
  const wastesLess = (wide: number, lanes: number) =>
    used(wide) > used(lanes) || (used(wide) === used(lanes) && mayBeWide(wide));
  // Four teams of a gated product at least write a quad of outputs together.
  const most = halves > 1 ? 32 : 128;
  let lanes = 8;
  while (lanes < most && lanes < groups && (lanes < enough || wastesLess(lanes * 2, lanes))) lanes *= 2;
  return { workgroup: 128, lanes, outputs: outputsOfTeam(outputs, halves, rows) };
}

/** Outputs share what is read of the input, which counts where many are left for each team or several rows are read; gate and up do already. */
function outputsOfTeam(outputs: number, halves: number, rows: number): number {
  if (halves > 1) return 1;
  if (rows > 1) return outputs > FEW_OUTPUTS ? 4 : 2;
  return outputs >= 65536 ? 2 : 1;
}
