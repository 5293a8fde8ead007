// Four attacks that no single event shows: each is found, and what looks like it is not.
import Fastify from 'fastify'
import t from 'tap'
import { basicAuth } from '../../plugins/basic-auth.ts'
import { detections } from '../../plugins/detections.ts'
import { FAILURES_BEFORE, impossibleTravel, passwordSpraying, SPRAYED_NAMES, successAfterFailures, sweep, SWEPT } from '../../plugins/detections-rules.ts'
import { problems } from '../../plugins/problems.ts'
import { hear } from '../fixtures/events.ts'
import { assertOptionRefused } from '../fixtures/guarded-service.ts'
import type { FastifyInstance } from 'fastify'
import type { SecurityEvent } from '../../guards/events.ts'
import type { Rule } from '../../plugins/detections-rules.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND

/** Feeds events, each with the seconds that pass before it; what was found. */
function found (rule: Rule, events: readonly (Partial<SecurityEvent> & { after?: number })[]): object[] {
  let now = 1_000_000
  return events.flatMap(({ after = 0, ...event }) => {
    now += after * SECOND
    return rule({ event: 'authn_login_fail', outcome: 'failure', ...event }, now) ?? []
  })
}

const times = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n))

t.test('R200 many accounts that fail from one address', (t) => {
  const fails = (count: number, more: (n: number) => Partial<SecurityEvent> & { after?: number }) => times(count, (n) => ({ actor: `name:${String(n)}`, ip: '192.0.2.1', ...more(n) }))
  t.match(found(passwordSpraying(), fails(SPRAYED_NAMES + 5, () => ({}))), [{ event: 'gatehouse_password_spraying', ip: '192.0.2.1', details: { names: SPRAYED_NAMES } }])
  t.equal(found(passwordSpraying(), fails(SPRAYED_NAMES + 5, () => ({}))).length, 1, 'told once')
  t.strictSame(found(passwordSpraying(), fails(SPRAYED_NAMES - 1, () => ({}))), [], 'one less')
  t.strictSame(found(passwordSpraying(), fails(100, () => ({ actor: 'name:0' }))), [], 'one account, often')
  t.strictSame(found(passwordSpraying(), fails(100, (n) => ({ ip: `192.0.2.${String(n)}` }))), [], 'from many addresses')
  t.strictSame(found(passwordSpraying(), fails(100, () => ({ after: 70 }))), [], 'slowly')
  t.strictSame(found(passwordSpraying(), fails(100, () => ({ event: 'authz_fail' }))), [], 'something else')
  t.strictSame(found(passwordSpraying(), fails(100, () => ({ actor: null }))), [], 'nobody')
  t.equal(found(passwordSpraying(), [...fails(SPRAYED_NAMES, () => ({})), ...fails(SPRAYED_NAMES, (n) => ({ after: n === 0 ? 600 : 0 }))]).length, 2, 'again in the next window')
  t.end()
})

t.test('R200 a login after ten failures', (t) => {
  const fails = (count: number, after = 0) => times(count, () => ({ target: 'alice', after }))
  const login = { event: 'authn_login_success', outcome: 'success', actor: 'alice', ip: '192.0.2.1', request_id: 'req-1' } as const
  t.match(found(successAfterFailures(), [...fails(FAILURES_BEFORE), login]), [{ event: 'authn_login_successafterfail', actor: 'alice', ip: '192.0.2.1', request_id: 'req-1', details: { failures: FAILURES_BEFORE } }])
  t.strictSame(found(successAfterFailures(), [...fails(FAILURES_BEFORE - 1), login]), [], 'one less')
  t.strictSame(found(successAfterFailures(), [...fails(FAILURES_BEFORE), { ...login, actor: 'bob' }]), [], 'somebody else')
  t.strictSame(found(successAfterFailures(), [...fails(FAILURES_BEFORE), { ...login, after: 3600 }]), [], 'an hour later')
  t.strictSame(found(successAfterFailures(), [...fails(FAILURES_BEFORE, 400), login]), [], 'over hours')
  t.strictSame(found(successAfterFailures(), [...fails(FAILURES_BEFORE), { ...login, event: 'gatehouse_authenticated' }]), [], 'no login')
  t.equal(found(successAfterFailures(), [...fails(FAILURES_BEFORE), login, login]).length, 1, 'told once')
  t.strictSame(found(successAfterFailures(), [...fails(5), login, ...fails(5), login]), [], 'success begins anew')
  t.end()
})

t.test('R200 one address that asks for many things that are not there', (t) => {
  const misses = (count: number, more: (n: number) => object = () => ({})) => times(count, (n) => ({ event: 'gatehouse_not_found', ip: '192.0.2.1', ...more(n) }))
  t.match(found(sweep(), misses(2 * SWEPT)), [{ event: 'malicious_excess_404', ip: '192.0.2.1', details: { count: SWEPT } }])
  t.equal(found(sweep(), misses(2 * SWEPT)).length, 1, 'told once a minute')
  t.strictSame(found(sweep(), misses(SWEPT - 1)), [], 'one less')
  t.strictSame(found(sweep(), misses(10 * SWEPT, () => ({ after: 3 }))), [], 'slowly')
  t.strictSame(found(sweep(), misses(SWEPT, (n) => ({ ip: `192.0.2.${String(n)}` }))), [], 'from many addresses')
  t.strictSame(found(sweep(), misses(SWEPT, () => ({ event: 'authz_fail' }))), [], 'something else')
  t.end()
})

t.test('R200 one principal from two distant networks within a minute', (t) => {
  const from = (ip: string, after = 0, actor = 'alice') => ({ event: 'gatehouse_authenticated', outcome: 'success', actor, scheme: 'bearer', ip, after } as const)
  t.match(found(impossibleTravel(), [from('8.8.8.8'), from('1.1.1.1', 59)]), [{ event: 'authn_impossible_travel', actor: 'alice', ip: '1.1.1.1', scheme: 'bearer', details: { networks: ['8.8.0.0/16', '1.1.0.0/16'] } }])
  t.match(found(impossibleTravel(), [from('2606:4700:1::/64'), from('2a00:1450:1::/64')]), [{ details: { networks: ['2606:4700::/32', '2a00:1450::/32'] } }])
  const rows: [title: string, events: ReturnType<typeof from>[]][] = [
    ['a minute later', [from('8.8.8.8'), from('1.1.1.1', 60)]],
    ['next door', [from('8.8.8.8'), from('8.8.200.1')]],
    ['next door, of IPv6', [from('2606:4700:1::/64'), from('2606:4700:2::/64')]],
    ['two people', [from('8.8.8.8'), from('1.1.1.1', 0, 'bob')]],
    ['IPv4 and IPv6 in turns', [from('8.8.8.8'), from('2606:4700:1::/64'), from('8.8.8.8'), from('2606:4700:1::/64')]],
    ['addresses of no Internet', [from('10.0.0.1'), from('192.168.0.1'), from('127.0.0.1')]],
    ['no address', [from('unknown'), from('8.8.8.8')]]
  ]
  for (const [title, events] of rows) t.strictSame(found(impossibleTravel(), events), [], title)
  t.equal(found(impossibleTravel(), times(20, (n) => from(n % 2 === 0 ? '8.8.8.8' : '1.1.1.1', 1))).length, 1, 'told once a minute')
  t.equal(found(impossibleTravel(), times(122, (n) => from(n % 2 === 0 ? '8.8.8.8' : '1.1.1.1', 1))).length, 3)
  t.strictSame(found(impossibleTravel(), [from('8.8.8.8'), ...times(5, () => from('8.8.8.8', 30)), from('1.1.1.1', 61)]), [], 'it is the last use that counts')
  t.end()
})

t.test('a rule forgets those that were quiet longest', (t) => {
  const rule = sweep()
  const now = Date.now()
  const miss = (ip: string) => rule({ event: 'gatehouse_not_found', outcome: 'failure', ip }, now)
  for (let n = 0; n < SWEPT - 1; n++) miss('192.0.2.1')
  for (let n = 0; n < 10_000; n++) miss(`host-${String(n)}`)
  t.equal(miss('192.0.2.1'), null)
  t.end()
})

async function service (): Promise<FastifyInstance> {
  const app = Fastify() as FastifyInstance
  await app.register(problems)
  await app.register(basicAuth, { users: { alice: 'wonderland' }, guards: { trustedProxies: ['127.0.0.1'] } })
  await app.register(detections)
  app.get('/', { onRequest: app.basic }, () => 'ok')
  await app.ready()
  return app
}

t.test('R200 what is found is an event of the service that it was found in', async (t) => {
  const [app, other] = [await service(), await service()]
  t.teardown(async () => { await app.close(); await other.close() })
  const [heard, heardElsewhere] = [hear(t, app), hear(t, other)]
  const names = async (request: object, count: number): Promise<(string | undefined)[]> => {
    for (let n = 0; n < count; n++) await app.inject(typeof request === 'function' ? (request as (n: number) => object)(n) : request)
    return heard.take().map(({ event }) => event).filter((event) => /^authn_impossible|^malicious|spraying/.test(event))
  }
  const basic = (name: string, from: string) => ({ url: '/', headers: { authorization: `Basic ${btoa(`${name}:wonderland`)}`, 'x-forwarded-for': from } })
  t.strictSame(await names({ url: '/nowhere' }, SWEPT), ['malicious_excess_404'])
  t.strictSame(await names((n: number) => basic(`user-${String(n)}`, '8.8.8.8'), SPRAYED_NAMES), ['gatehouse_password_spraying'])
  t.strictSame(await names((n: number) => basic('alice', n === 0 ? '8.8.8.8' : '1.1.1.1'), 2), ['authn_impossible_travel'])
  t.strictSame(heardElsewhere.take(), [])
})

t.test('it takes no options', async (t) => { await assertOptionRefused(t, (app) => app.register(detections, { after: MINUTE } as never), 'detections.after') })
