// Whose principal is in a slot, and what several schemes decide together, as the pure functions they are.
import t from 'tap'
import { refusal } from '../../errors.ts'
import { decide, principalIn } from '../../guards/decision.ts'
import type { Branch, CompiledAlternative, Outcome, Verdict } from '../../guards/decision.ts'
import type { Principal } from '../../guards/principal.ts'

const alice: Principal = { kind: 'custom', scheme: 'a', subject: 'alice', scopes: [], roles: [], attributes: {} }
const bad = refusal('invalid_credentials')

t.test('there is a principal where somebody was accepted, and nowhere else', async (t) => {
  t.equal(principalIn(0, [alice]), alice)
  t.equal(principalIn(1, [bad, alice]), alice)
  for (const outcome of [undefined, null, true, bad] as const) t.equal(principalIn(0, [outcome]), null, String(outcome))
  for (const slot of [undefined, 1]) t.equal(principalIn(slot, [alice]), null, String(slot))
})

t.test('R039 the first alternative that holds, what has to be asked before, or none', async (t) => {
  const way = (slots: number[], unrefused: Branch[] = []): CompiledAlternative => ({ slots, steps: slots, ambient: [], unrefused })
  const [first, second] = [way([0]), way([1])]
  const either: Branch = { slots: [0, 1], judgements: [], alternatives: [first, second] }
  const stranger = way([], [either])
  const rows: [alternatives: CompiledAlternative[], outcomes: Outcome[], verdict: Verdict][] = [
    [[], [], null], [[first], [], 0], [[first], [null], null], [[first], [bad], null], [[first], [alice], first],
    [[first, second], [null], 1], [[first, second], [bad, alice], second], [[way([0, 1])], [alice], 1], [[way([0, 1])], [alice, bad], null],
    [[stranger], [], 0], [[stranger], [null], 1], [[stranger], [null, null], stranger], [[stranger], [bad, null], null], [[stranger], [null, bad], null], [[stranger], [bad], 1],
    // who is accepted by one of them has not failed, whatever the other says
    [[stranger], [bad, alice], stranger], [[stranger], [alice], stranger]
  ]
  for (const [index, [alternatives, outcomes, verdict]] of rows.entries()) t.strictSame(decide(alternatives, outcomes), verdict, `row ${String(index)}`)
})
