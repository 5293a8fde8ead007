// Names are text, wherever they come out again: in a page, the log, JSON and headers. What validation does not take is a
// 400 that says so, and repeats nothing of it.
import t from 'tap'
import { buildDemo, password } from './demo.ts'
import { naughtyStrings } from './fixtures/naughty-strings.ts'
import { postForm, signInAt } from './fixtures/page-session.ts'
import type { LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import type { Demo } from './demo.ts'

const lines = naughtyStrings.filter(({ line }) => line)
const isWord = (text: string): boolean => /^[\w.-]*$/.test(text)
const problem = { status: 400, code: /^(?:validation|invalid_request)$/ }

/** The tags of a page with the names of their attributes: what a text must never change. */
function skeletonOf (html: string): string[] {
  return (html.match(/<[^>]*>/g) ?? []).map((tag) => tag.replaceAll(/"[^"]*"/g, '""'))
}

/** The texts of all elements that begin with `open`, as a browser would read them. */
function textsIn (html: string, open: string): string[] {
  const entities: Record<string, string> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'", '&amp;': '&' }
  return html.split(open).slice(1).map((rest) => rest.slice(0, rest.indexOf('<')).replaceAll(/&(?:lt|gt|quot|#39|amp);/g, (entity) => entities[entity] ?? ''))
}

function assertInert (t: Test, { headers, body }: LightMyRequestResponse, text: string): void {
  const values = Object.values(headers).flat().map(String)
  t.notOk(values.some((value) => !/^[\t\x20-\x7e]*$/.test(value)), 'headers are printable')
  t.notOk(['pwned', text].some((part) => part !== '' && !isWord(part) && values.some((value) => value.includes(part))), 'and have nothing of it')
  t.notMatch(body, /\p{Cc}/u, 'nothing that a terminal would obey')
}

function assertRefusal (t: Test, response: LightMyRequestResponse, text: string): void {
  t.equal(response.statusCode, 400)
  t.match(response.json(), problem)
  if (text.length > 2 && !isWord(text.slice(0, 40))) t.notOk(response.body.includes(text.slice(0, 40)), 'the value is not repeated')
  assertInert(t, response, text)
}

/** Every line is one JSON object, without what a terminal obeys, and without the names. */
function assertLog (t: Test, { log }: Demo): void {
  t.notOk(log.some((line) => /\p{Cc}/u.test(line.replace(/\n$/, ''))), 'a line of the log is one line')
  t.ok(log.every((line) => typeof JSON.parse(line) === 'object'))
  const all = log.join('')
  t.strictSame(naughtyStrings.filter(({ text }) => !isWord(text) && all.includes(text)).map(({ title }) => title), [], 'the log has no name')
}

t.test('titles of items', async (t) => {
  const demo = await buildDemo(t)
  const headers = await demo.token(await demo.person('alice'))
  for (const { title, text, line } of naughtyStrings) {
    await t.test(title, async (t) => {
      const made = await demo.send({ method: 'POST', url: '/items', headers, payload: { title: text, description: 'x' } })
      if (!line) {
        assertRefusal(t, made, text)
        return
      }
      t.equal(made.statusCode, 201)
      const { id, title: kept } = made.json<{ id: string; title: string }>()
      t.equal(kept, text, 'it comes back as it was sent')
      t.match(made.headers['content-type'], /^application\/json/)
      t.equal(made.headers['x-content-type-options'], 'nosniff')
      t.equal((await demo.send({ url: `/items/${id}`, headers })).json<{ title: string }>().title, text)
      const found = await demo.send({ url: '/items', query: { q: text }, headers })
      t.ok(found.json<{ items: { id: string }[] }>().items.some((item) => item.id === id), 'a search finds it as a text')
      assertInert(t, made, text)
    })
    await t.test(`${title}, in a path`, async (t) => {
      if (/\p{Surrogate}/u.test(text)) return
      const { statusCode } = await demo.send({ url: `/items/${encodeURIComponent(text)}`, headers })
      t.ok([400, 404, 414].includes(statusCode), String(statusCode))
    })
  }
  t.equal((await demo.app.stores.users.list()).items.length, 1, 'no table was dropped')
  assertLog(t, demo)
})

t.test('names of API keys, in JSON and on the page', async (t) => {
  const demo = await buildDemo(t)
  const [alice, bob] = [await demo.person('alice'), await demo.person('plain')]
  const headers = await demo.token(alice)
  for (const { title, text, line } of naughtyStrings) {
    await t.test(title, async (t) => {
      const made = await demo.send({ method: 'POST', url: '/api-keys', headers, payload: { name: text, scopes: ['items:read'] } })
      if (!line) assertRefusal(t, made, text)
      else t.match(made.json(), { name: text })
      assertInert(t, made, text)
    })
  }
  const listed = (await demo.send({ url: '/api-keys?limit=100', headers })).json<{ items: { name: string }[] }>().items.map(({ name }) => name)
  t.strictSame(listed, lines.map(({ text }) => text).reverse())

  const others = await demo.token(bob)
  for (let made = 0; made < lines.length; made += 1) await demo.send({ method: 'POST', url: '/api-keys', headers: others, payload: { name: 'plain', scopes: ['items:read'] } })
  const hostile = await (await signInAt(demo, alice)).get('/')
  const plain = await (await signInAt(demo, bob)).get('/')
  t.strictSame(textsIn(hostile.body, '<bdi class="name">'), listed, 'the page shows each as it is')
  t.strictSame(skeletonOf(hostile.body), skeletonOf(plain.body), 'and is otherwise the same page')
  t.match(hostile.headers, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': /default-src 'none'; script-src 'self'/ })
  assertLog(t, demo)
})

t.test('what a form holds when it comes back', async (t) => {
  const demo = await buildDemo(t)
  const session = await signInAt(demo, await demo.person('alice'))
  const expected = skeletonOf((await session.post('/account/keys', { name: 'plain', expires_in_days: '90' })).body)
  for (const { title, text, line } of naughtyStrings) {
    await t.test(title, async (t) => {
      const back = await session.post('/account/keys', { name: text, expires_in_days: '90' })
      t.equal(back.statusCode, 400)
      t.notMatch(skeletonOf(back.body).find((tag) => tag.startsWith('<input id="" name="" type="" value=""')), / (?:on\w+|autofocus|style)=/)
      if (line) t.strictSame(skeletonOf(back.body), expected, 'the page is the same but for the text')
      else t.match(back.body, /role="alert"/)
      t.notMatch(JSON.stringify(back.headers), /pwned/)
    })
  }
  assertLog(t, demo)
})

t.test('names of accounts, and what is searched for among them', async (t) => {
  const demo = await buildDemo(t)
  const session = await signInAt(demo, await demo.person('boss', ['admin']))
  const names = naughtyStrings.filter(({ username }) => username)
  for (const { title, text, username } of naughtyStrings) {
    await t.test(title, async (t) => {
      const made = await demo.send({ method: 'POST', url: '/register', payload: { username: text, email: 'x@example.com', password } })
      if (!username) assertRefusal(t, made, text)
      else t.match(made.json(), { username: text })
      assertInert(t, made, text)
    })
  }
  const page = await session.get('/administration/users')
  t.strictSame(textsIn(page.body, '<bdi class="name">'), ['boss', ...names.map(({ text }) => text)].reverse())

  const expected = skeletonOf((await session.get('/administration/users?q=nobody-has-this')).body)
  for (const { title, text } of lines.filter(({ username }) => !username)) {
    await t.test(`a search for ${title}`, async (t) => {
      const found = await session.get(`/administration/users?q=${encodeURIComponent(text)}`)
      t.strictSame([found.statusCode, skeletonOf(found.body)], [200, expected])
      t.ok(textsIn(found.body, '<bdi>').includes(text))
    })
  }
  const signIn = (username: string): Promise<LightMyRequestResponse> => postForm(demo, '/sign-in', { username, password })
  const signInPage = skeletonOf((await signIn('nobody')).body)
  for (const { title, text } of lines.slice(0, 8)) {
    await t.test(`a sign-in as ${title}`, async (t) => {
      const refused = await signIn(text)
      t.strictSame([refused.statusCode, skeletonOf(refused.body)], [400, signInPage])
    })
  }
  assertLog(t, demo)
})
