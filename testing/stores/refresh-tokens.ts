// Refresh tokens (RFC 9700 §4.14.2).
import assert from 'node:assert/strict'
import type { NewRefreshFamily, RefreshRotation, RefreshTokenStore } from '../../stores/ports.ts'
import { UUID_V7 } from '../../stores/uuid-v7.ts'
import { allOf, assertRefused, digestOf, inParallel, inSeconds, RFC_3339, storeCheck } from './check.ts'
import type { StoreCheck } from './check.ts'

const DAY = 86_400

function familyOf (more: Partial<NewRefreshFamily> = {}): NewRefreshFamily {
  return { digest: digestOf(), clientId: 'demo', subject: 'alice', scopes: ['me', 'items:read'], idleExpiresAt: inSeconds(14 * DAY), absoluteExpiresAt: inSeconds(90 * DAY), ...more }
}

function rotationOf (digest: string, more: Partial<RefreshRotation> = {}): RefreshRotation {
  return { digest, clientId: 'demo', successorDigest: digestOf(), replay: 'sealed', now: new Date(), idleSeconds: 14 * DAY, replaySeconds: 10, ...more }
}

async function rotated (store: RefreshTokenStore, rotation: RefreshRotation) {
  const result = await store.rotate(rotation)
  assert.equal(result.outcome, 'rotated')
  assert.ok('expires_at' in result)
  return result
}

async function activeOf (store: RefreshTokenStore, digest: string): Promise<boolean | undefined> {
  return (await store.findByDigest(digest))?.active
}

const happy: readonly StoreCheck[] = [
  storeCheck('R139 refreshTokens: a family is bound to client, subject and scopes; its token is found by digest only', async ({ refreshTokens }) => {
    const token = familyOf()
    const family = await refreshTokens.create(token)
    assert.match(family.id, UUID_V7)
    assert.match(family.created_at, RFC_3339)
    assert.deepEqual(family, {
      id: family.id, client_id: 'demo', subject: 'alice', scopes: ['me', 'items:read'], created_at: family.created_at, last_used_at: family.created_at,
      expires_at: token.absoluteExpiresAt.toISOString(), revoked_at: null
    })
    assert.deepEqual(await refreshTokens.findByDigest(token.digest), { family, issued_at: family.created_at, expires_at: token.idleExpiresAt.toISOString(), used_at: null, active: true })
    assert.equal(await refreshTokens.findByDigest(digestOf()), null)
  }),

  storeCheck('R139 R141 refreshTokens: every use gives way to a successor with the scopes of the first', async ({ refreshTokens }) => {
    const first = familyOf()
    const family = await refreshTokens.create(first)
    const [one, two] = [digestOf(), digestOf()]
    const now = inSeconds(60)
    const result = await rotated(refreshTokens, rotationOf(first.digest, { successorDigest: one, now }))
    assert.deepEqual(result, { outcome: 'rotated', family: { ...family, last_used_at: now.toISOString() }, expires_at: inSeconds(14 * DAY, now).toISOString() })
    assert.deepEqual(await refreshTokens.findByDigest(first.digest), { family: result.family, issued_at: family.created_at, expires_at: first.idleExpiresAt.toISOString(), used_at: now.toISOString(), active: false })
    assert.deepEqual(await refreshTokens.findByDigest(one), { family: result.family, issued_at: now.toISOString(), expires_at: result.expires_at, used_at: null, active: true })
    await rotated(refreshTokens, rotationOf(one, { successorDigest: two, now }))
    assert.deepEqual((await refreshTokens.findByDigest(two))?.family.scopes, first.scopes)
  }),

  storeCheck('R142 refreshTokens: a token ends when it is idle or its family is too old, and rotation never extends that', async ({ refreshTokens }) => {
    const idle = familyOf({ idleExpiresAt: inSeconds(100) })
    await refreshTokens.create(idle)
    assert.equal((await refreshTokens.rotate(rotationOf(idle.digest, { now: inSeconds(100, idle.idleExpiresAt) }))).outcome, 'expired')
    await rotated(refreshTokens, rotationOf(idle.digest, { now: inSeconds(-1, idle.idleExpiresAt) }))

    const old = familyOf({ idleExpiresAt: inSeconds(900), absoluteExpiresAt: inSeconds(600) })
    const family = await refreshTokens.create(old)
    assert.equal((await refreshTokens.findByDigest(old.digest))?.expires_at, family.expires_at, 'the end of the family is the end of its token')
    const next = digestOf()
    const { expires_at: end, family: after } = await rotated(refreshTokens, rotationOf(old.digest, { successorDigest: next, now: inSeconds(590), idleSeconds: DAY }))
    assert.deepEqual([end, after.expires_at], [family.expires_at, family.expires_at])
    assert.equal((await refreshTokens.rotate(rotationOf(next, { now: old.absoluteExpiresAt }))).outcome, 'expired')
    assert.equal((await refreshTokens.rotate(rotationOf(old.digest, { now: old.absoluteExpiresAt }))).outcome, 'expired', 'a used one as well')
  })
]

const replays: readonly StoreCheck[] = [
  storeCheck('R140 refreshTokens: a repetition within the window gets the very same answer', async ({ refreshTokens }) => {
    const token = familyOf()
    await refreshTokens.create(token)
    const now = new Date()
    await rotated(refreshTokens, rotationOf(token.digest, { now, replay: 'the answer, sealed' }))
    for (const seconds of [0, 9.9]) {
      const result = await refreshTokens.rotate(rotationOf(token.digest, { now: inSeconds(seconds, now), replay: 'another' }))
      assert.ok(result.outcome === 'replayed')
      assert.equal(result.replay, 'the answer, sealed')
    }
  }),

  ...([
    ['after the window', { seconds: 10, replaySeconds: 10, replay: 'sealed' }],
    ['without a window', { seconds: 0, replaySeconds: 0, replay: 'sealed' }],
    ['without a window, by a clock that is behind,', { seconds: -1, replaySeconds: 0, replay: 'sealed' }],
    ['by a clock that was put back by more than the window,', { seconds: -11, replaySeconds: 10, replay: 'sealed' }],
    ['where no answer was kept', { seconds: 0, replaySeconds: 10, replay: null }]
  ] as const).map(([title, { seconds, replaySeconds, replay }]) => storeCheck(`R140 refreshTokens: ${title} a repetition ends the family, once`, async ({ refreshTokens }) => {
    const [token, next] = [familyOf(), digestOf()]
    const { id } = await refreshTokens.create(token)
    const other = await refreshTokens.create(familyOf())
    const now = new Date()
    const second = { now: inSeconds(seconds, now), replaySeconds }
    await rotated(refreshTokens, rotationOf(token.digest, { successorDigest: next, now, replay }))
    const result = await refreshTokens.rotate(rotationOf(token.digest, second))
    assert.ok(result.outcome === 'reused')
    assert.equal(result.family.id, id)
    assert.equal((await refreshTokens.rotate(rotationOf(token.digest, second))).outcome, 'revoked')
    assert.equal((await refreshTokens.rotate(rotationOf(next))).outcome, 'revoked', 'the successor is worth nothing')
    assert.equal(await activeOf(refreshTokens, next), false)
    assert.deepEqual((await refreshTokens.listBySubject('alice')).items, [other], 'another login stays')
  })),

  storeCheck('R140 refreshTokens: the window closes when the successor is used', async ({ refreshTokens }) => {
    const [token, next] = [familyOf(), digestOf()]
    await refreshTokens.create(token)
    const now = new Date()
    await rotated(refreshTokens, rotationOf(token.digest, { successorDigest: next, now }))
    await rotated(refreshTokens, rotationOf(next, { now }))
    assert.equal((await refreshTokens.rotate(rotationOf(token.digest, { now }))).outcome, 'reused')
    assert.equal((await refreshTokens.rotate(rotationOf(next, { now }))).outcome, 'revoked')
  }),

  storeCheck('R141 refreshTokens: another client\'s presentation changes nothing, before and after use', async ({ refreshTokens }) => {
    const token = familyOf()
    await refreshTokens.create(token)
    const before = await refreshTokens.findByDigest(token.digest)
    assert.equal((await refreshTokens.rotate(rotationOf(token.digest, { clientId: 'thief' }))).outcome, 'wrong_client')
    assert.deepEqual(await refreshTokens.findByDigest(token.digest), before)
    await rotated(refreshTokens, rotationOf(token.digest))
    assert.equal((await refreshTokens.rotate(rotationOf(token.digest, { clientId: 'thief', now: inSeconds(60) }))).outcome, 'wrong_client')
    assert.equal((await refreshTokens.listBySubject('alice')).items.length, 1)
    assert.deepEqual(await refreshTokens.rotate(rotationOf(digestOf())), { outcome: 'unknown' })
  })
]

const races: readonly StoreCheck[] = [
  storeCheck('R140 refreshTokens: of 100 parallel uses one is rotated, and all others get its answer', async ({ refreshTokens }, all) => {
    const token = familyOf()
    await refreshTokens.create(token)
    const results = await inParallel(all, 100, ({ refreshTokens }, n) => refreshTokens.rotate(rotationOf(token.digest, { replay: `sealed ${String(n)}` })))
    assert.equal(results.filter(({ outcome }) => outcome === 'rotated').length, 1)
    const answers = new Set(results.flatMap((result) => result.outcome === 'replayed' ? [result.replay] : []))
    assert.equal(answers.size, 1)
    assert.equal([...answers][0], `sealed ${String(results.findIndex(({ outcome }) => outcome === 'rotated'))}`)
    assert.equal(results.filter(({ outcome }) => outcome === 'replayed').length, 99)
  }),

  storeCheck('R140 refreshTokens: without a window one of 100 is rotated, and one is told that it ended the family', async ({ refreshTokens }, all) => {
    const token = familyOf()
    await refreshTokens.create(token)
    const results = await inParallel(all, 100, ({ refreshTokens }) => refreshTokens.rotate(rotationOf(token.digest, { replaySeconds: 0 })))
    const count = (wanted: string) => results.filter(({ outcome }) => outcome === wanted).length
    assert.deepEqual([count('rotated'), count('reused'), count('revoked')], [1, 1, 98])
  }),

  storeCheck('R143 refreshTokens: no token leaves a family that is being revoked, whoever comes first', async ({ refreshTokens }, all) => {
    for (let round = 0; round < 20; round++) {
      const [token, next] = [familyOf({ subject: `s${String(round)}` }), digestOf()]
      await refreshTokens.create(token)
      await inParallel(all, 2, async ({ refreshTokens }, n) => n === round % 2
        ? refreshTokens.rotate(rotationOf(token.digest, { successorDigest: next }))
        : refreshTokens.revokeBySubject(token.subject))
      assert.equal((await refreshTokens.findByDigest(token.digest))?.active, false)
      assert.notEqual(await activeOf(refreshTokens, next), true)
      assert.equal((await refreshTokens.rotate(rotationOf(next))).outcome === 'rotated', false)
    }
  }),

  storeCheck('R143 refreshTokens: a login and a log-out everywhere at once leave no family open', async (stores, all) => {
    for (let round = 0; round < 20; round++) {
      const [subject, provedAt] = [`s${String(round)}`, inSeconds(-1)]
      await inParallel(all, 2, (stores, n) => stores.transaction(async ({ refreshTokens, revocations }) => {
        if (n === round % 2) {
          await refreshTokens.create(familyOf({ subject }))
          if (await revocations.isRevoked({ tokenId: '', familyId: null, subject, clientId: null, issuedAt: provedAt }, new Date())) throw new Error('logged out')
        } else {
          await refreshTokens.revokeBySubject(subject)
          await revocations.add([{ kind: 'subject', id: subject, issuedBefore: new Date(), expiresAt: inSeconds(900) }])
        }
      }).catch((error: unknown) => { assert.equal((error as Error).message, 'logged out') }))
      assert.deepEqual((await stores.refreshTokens.listBySubject(subject)).items, [])
    }
  }),

  storeCheck('refreshTokens: a successor whose digest is taken uses nothing up', async ({ refreshTokens }) => {
    const token = familyOf()
    await refreshTokens.create(token)
    await assertRefused(refreshTokens.rotate(rotationOf(token.digest, { successorDigest: token.digest })), { code: 'unavailable' })
    assert.equal(await activeOf(refreshTokens, token.digest), true)
  })
]

const revocations: readonly StoreCheck[] = [
  storeCheck('R143 refreshTokens: revoking by family, by subject but for one, and by client', async ({ refreshTokens }) => {
    const tokens = [familyOf(), familyOf(), familyOf({ clientId: 'app' }), familyOf({ subject: 'bob' }), familyOf({ subject: 'bob', clientId: 'app' })]
    const ids: string[] = []
    for (const token of tokens) ids.push((await refreshTokens.create(token)).id)
    const active = async () => Promise.all(tokens.map(({ digest }) => activeOf(refreshTokens, digest)))
    assert.equal(await refreshTokens.revokeFamily(ids[0] ?? ''), true)
    assert.equal(await refreshTokens.revokeFamily(ids[0] ?? ''), false)
    assert.deepEqual(await active(), [false, true, true, true, true])
    assert.deepEqual(await refreshTokens.revokeBySubject('alice', { exceptFamily: ids[1] }), [ids[2]])
    assert.deepEqual(await active(), [false, true, false, true, true])
    assert.deepEqual(await refreshTokens.revokeBySubject('alice'), [ids[1]])
    assert.deepEqual(await refreshTokens.revokeByClient('app'), [ids[4]], 'what was revoked before is not told again')
    assert.deepEqual(await active(), [false, false, false, true, false])
    assert.equal((await refreshTokens.rotate(rotationOf(tokens[4]?.digest ?? '', { clientId: 'app' }))).outcome, 'revoked')
  }),

  storeCheck('refreshTokens: what has not ended is listed, newest first', async ({ refreshTokens }) => {
    const made = []
    for (let n = 0; n < 5; n++) made.push(await refreshTokens.create(familyOf()))
    await refreshTokens.create(familyOf({ subject: 'bob' }))
    await refreshTokens.create(familyOf({ absoluteExpiresAt: inSeconds(-1) }))
    await refreshTokens.create(familyOf({ idleExpiresAt: inSeconds(-1) }))
    await refreshTokens.revokeFamily((await refreshTokens.create(familyOf())).id)
    assert.deepEqual(await allOf((cursor) => refreshTokens.listBySubject('alice', { limit: 2, cursor })), made.reverse())
  }),

  storeCheck('refreshTokens: families are forgotten after their absolute end, not before', async ({ refreshTokens }) => {
    const [old, young] = [familyOf({ absoluteExpiresAt: inSeconds(60) }), familyOf()]
    await refreshTokens.create(old)
    await refreshTokens.create(young)
    await rotated(refreshTokens, rotationOf(old.digest))
    assert.equal(await refreshTokens.prune(new Date()), 0)
    assert.equal(await refreshTokens.prune(inSeconds(120)), 1)
    assert.equal(await refreshTokens.findByDigest(old.digest), null)
    assert.equal(await activeOf(refreshTokens, young.digest), true)
  })
]

export const refreshTokenChecks: readonly StoreCheck[] = [...happy, ...replays, ...races, ...revocations]
