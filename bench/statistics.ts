export interface Quartiles { readonly first: number; readonly median: number; readonly third: number }

/** The value that so large a share of the others does not exceed. */
export function quantile (values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}

export function quartiles (values: readonly number[]): Quartiles {
  return { first: quantile(values, 0.25), median: quantile(values, 0.5), third: quantile(values, 0.75) }
}
