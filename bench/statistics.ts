export interface Quartiles { readonly first: number; readonly median: number; readonly third: number }

export function quartiles (values: readonly number[]): Quartiles {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
  return { first: at(0.25), median: at(0.5), third: at(0.75) }
}
