// SPDX-License-Identifier: MIT
// Several people, several environments, restarts, and those who should not come in.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import * as h from './harness.mjs';

let dir;
let server;
let call;
const key = (n) => ({ $t: 'tuple', v: [n] });
before(async () => {
  dir = h.folder();
  const [sandbox, production] = [h.join(dir, 'sandbox/shop'), h.join(dir, 'production/shop')];
  h.mkdirSync(h.join(dir, 'sandbox'));
  h.mkdirSync(h.join(dir, 'production'));
  for (const s of ['users', 'race', 'live']) h.load(sandbox, s, h.people(500));
  h.load(production, 'users', h.people(500).map((p) => ({ ...p, country: 'Production' })));
  h.writeFileSync(
    h.join(dir, 'registry.json'),
    JSON.stringify({
      environments: [
        { id: 'local', label: 'Local sandbox', kind: 'local', color: 'green', write: 'yes', databases: [{ name: 'shop', url: sandbox }] },
        { id: 'production', label: 'Production', kind: 'local', color: 'amber', write: 'arm', databases: [{ name: 'shop', url: production }] },
        { id: 'swarm', label: 'Swarm', kind: 'swarm', color: 'violet', write: 'no', databases: [] },
      ],
    }),
  );
  server = await h.serve(['--registry', h.join(dir, 'registry.json'), '--root', dir]);
  await (await h.enter(server)).context().close();
  call = h.api(server);
});
after(async () => {
  await h.close();
  await server.stop();
});

test('check 10: 200 random interleavings of two browsers and a program lose nothing', async () => {
  const pages = [await h.enter(server), await h.enter(server)];
  // The pages' own client code is behind both; what they send is what a person's commit sends.
  const write = (page, n, field, v) =>
    page.evaluate(
      async ([path, k, f, to]) => {
        const item = await (await fetch(`${path}/stores/race/items/${k}`)).json();
        const body = { id: `r${crypto.randomUUID()}`, merge: 'fields', ops: [{ op: 'patch', store: 'race', k: item.k, base: item.ver, set: [{ path: `/${f}`, was: item.v[f], v: to }] }] };
        await new Promise((go) => setTimeout(go, Math.random() * 8));
        const r = await fetch(`${path}/commits`, { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-SOP-Request': '1' }, body: JSON.stringify(body) });
        return r.status;
      },
      [`${server.address}/api/v1${call.db('shop')}`, h.token(key(n)), field, v],
    );
  for (const p of pages) await h.show(p, server, 'shop', 'race');
  let clashes = 0;
  for (let i = 0; i < 200; i++) {
    const n = 1 + (i % 50);
    const same = i % 2 === 0;
    const program = async () => {
      const { k, ver, v } = (await call.item('shop', 'race', key(n))).body;
      return (await call.commit('shop', [{ op: 'patch', store: 'race', k, base: ver, set: [{ path: '/status', was: v.status, v: `c${i}` }] }])).status;
    };
    const [a, b, c] = await Promise.all([write(pages[0], n, 'name', `a${i}`), write(pages[1], n, same ? 'name' : 'country', `b${i}`), program()]);
    const now = (await call.item('shop', 'race', key(n))).body.v;
    assert.deepEqual([c, now.status], [200, `c${i}`], `round ${i}`);
    const won = [a === 200, b === 200];
    assert.ok(won[0] || won[1], `round ${i}: ${a} ${b}`);
    if (!same) assert.deepEqual([now.name, now.country], [`a${i}`, `b${i}`], `round ${i}: ${a} ${b}`);
    else if (won[0] !== won[1]) assert.equal(now.name, won[0] ? `a${i}` : `b${i}`);
    clashes += a === 409 || b === 409 ? 1 : 0;
  }
  assert.ok(clashes > 0, 'the same field was never asked about');
  for (const p of pages) await p.context().close();
});

test('check 12: what others commit appears within a second and does not move the row under the cursor', async (t) => {
  const page = await h.enter(server);
  await h.show(page, server, 'shop', 'live');
  await h.focus(page, 250, 'name');
  const place = () =>
    page.evaluate(() => {
      const cell = document.getElementById(document.querySelector('[role=grid]').getAttribute('aria-activedescendant'));
      return { y: Math.round(cell.getBoundingClientRect().y), text: cell.textContent, row: cell.closest('.g-row').querySelector('.g-num').textContent };
    });
  const before = await place();
  const runs = await h.times(5, async (i) => {
    await call.commit('shop', [{ op: 'put', store: 'live', k: key(251), v: { ...h.person(251), name: `live ${i}` } }]);
    await page.waitForFunction((x) => [...document.querySelectorAll('.g-row:not([hidden])')].some((r) => r.textContent.includes(x)), `live ${i}`, { polling: 20 });
  });
  h.budget(t, 'a commit elsewhere is shown', runs, 1000);
  await call.commit('shop', Array.from({ length: 7 }, (_, i) => ({ op: 'put', store: 'live', k: key(-i - 1), v: h.person(i) })));
  await page.waitForFunction(() => document.querySelector('.status').textContent.includes('507 items'));
  await h.until(async () => (await place()).row === '257', async () => JSON.stringify(await place()));
  assert.deepEqual(await place(), { ...before, row: '257' });
  await call.commit('shop', Array.from({ length: 7 }, (_, i) => ({ op: 'delete', store: 'live', k: key(-i - 1) })));
  await h.until(async () => (await place()).row === '250', async () => JSON.stringify(await place()));
  assert.deepEqual(await place(), before);
  assert.match(await page.locator('.elsewhere').textContent(), /changed elsewhere/);
  await page.context().close();
});

test('check 15: strangers are refused', async () => {
  const url = new URL(server.address);
  const cookie = `${server.cookie.name}=${server.cookie.value}`;
  const send = (method, path, headers, body) =>
    new Promise((done, fail) => {
      const r = http.request({ host: url.hostname, port: url.port, method, path, headers: { Host: url.host, ...headers } }, (a) => {
        a.resume();
        a.on('end', () => done(a.statusCode));
      });
      r.on('error', fail);
      r.end(body);
    });
  const path = `/api/v1${call.db('shop')}/commits`;
  const body = JSON.stringify({ id: 'stranger-1', ops: [{ op: 'put', store: 'users', k: key(1), v: 'stolen' }] });
  const json = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
  const before = (await call.item('shop', 'users', key(1))).body.ver;
  assert.equal(await send('POST', path, { ...json, Cookie: cookie, 'X-SOP-Request': '1', Origin: 'http://evil.example' }, body), 403);
  assert.equal(await send('POST', path, { ...json, Cookie: cookie }, body), 403, 'without the header');
  assert.ok([403, 415, 400].includes(await send('POST', path, { ...json, 'Content-Type': 'text/plain', Cookie: cookie, 'X-SOP-Request': '1' }, body)), 'text/plain');
  assert.equal(await send('GET', '/api/v1/registries', { Cookie: cookie, Host: 'evil.example' }), 421);
  assert.equal(await send('GET', '/api/v1/registries', {}), 401);
  const replay = JSON.stringify({ token: server.token });
  assert.ok([401, 403].includes(await send('POST', '/api/v1/session', { 'Content-Type': 'application/json', 'Content-Length': replay.length, 'X-SOP-Request': '1' }, replay)), 'the launch token works once');
  assert.ok([403, 400].includes((await call.call('POST', '/r/local/databases', { name: 'etc', url: '/etc', mode: 'open' })).status), 'outside the allowed roots');
  assert.equal((await call.item('shop', 'users', key(1))).body.ver, before);
  const page = await h.enter(server);
  await page.route('http://evil.example/', (r) => r.fulfill({ contentType: 'text/html', body: '<p>evil</p>' }));
  const other = await page.context().newPage();
  await other.route('**/*', (r) => (r.request().url().startsWith('http://evil.example') ? r.fulfill({ contentType: 'text/html', body: 'evil' }) : r.continue()));
  await other.goto('http://evil.example/');
  const got = await other.evaluate(async (u) => fetch(u, { credentials: 'include' }).then((r) => r.text()).catch((e) => `refused: ${e.message}`), `${server.address}/api/v1/registries`);
  assert.match(got, /^refused/);
  await page.context().close();
});

test('check 15: where nothing may be written the page offers no way to, and the server takes nothing', async () => {
  const path = h.join(h.folder(), 'locked');
  h.load(path, 'users', h.people(20));
  const locked = await h.serve([path, '--read-only']);
  const page = await h.enter(locked);
  await h.show(page, locked, 'locked', 'users');
  assert.equal(await page.locator('.top .pill').textContent(), 'read-only');
  await h.focus(page, 2, 'name');
  await page.keyboard.type('x');
  await page.keyboard.press('Control+Delete');
  await page.waitForTimeout(200);
  assert.equal(await page.locator('.g-editor, .changebar').count(), 0);
  assert.ok(await page.getByRole('button', { name: 'Add item' }).isDisabled());
  assert.equal((await h.api(locked).put('locked', 'users', key(1), 'x')).status, 403);
  await page.context().close();
  await locked.stop();
});

test('check 19: the switcher changes the environment at once; another tab stays; production asks to be armed', async (t) => {
  const page = await h.enter(server);
  await h.show(page, server, 'shop', 'users');
  const second = await h.open(page.context(), server);
  await h.show(second, server, 'shop', 'users');
  await page.bringToFront();
  await page.evaluate(() => (window.mark = 'not reloaded'));
  const to = (label) => page.getByRole('group', { name: 'Environment' }).getByRole('button', { name: label }).click();
  const runs = [];
  for (let i = 0; i < 5; i++) {
    const t0 = performance.now();
    await to('Production');
    await h.until(async () => (await h.cell(page, 1, 'country')) === 'Production');
    runs.push(performance.now() - t0);
    assert.ok(new URL(page.url()).pathname.startsWith('/r/production/'));
    await to('Local sandbox');
    await h.until(async () => (await h.cell(page, 1, 'country')) !== 'Production');
  }
  h.budget(t, 'another environment is shown', runs, 500);
  assert.equal(await page.evaluate(() => window.mark), 'not reloaded');
  assert.ok(new URL(second.url()).pathname.startsWith('/r/local/'));
  assert.ok(await page.getByRole('button', { name: 'Swarm' }).isDisabled());
  await to('Production');
  await h.until(async () => (await h.cell(page, 1, 'country')) === 'Production');
  await h.goto(page, '#100');
  await h.currentRow(page, 100);
  await h.until(async () => (await h.cell(page, 100, 'country')) === 'Production');
  await h.focus(page, 100, 'country');
  await page.keyboard.type('Changed');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.changebar');
  await page.keyboard.press('Control+s');
  await page.waitForSelector('.toast.bad');
  const there = h.api(server, 'production');
  assert.equal((await there.item('shop', 'users', key(100))).body.v.country, 'Production');
  await page.getByRole('button', { name: 'Arm for 15 minutes' }).click();
  await page.waitForSelector('.changebar', { state: 'detached' });
  assert.equal((await there.item('shop', 'users', key(100))).body.v.country, 'Changed');
  await page.context().close();
});

test('check 20: the designer sorts its sample live, names what is wrong, and says what is locked', async () => {
  const page = await h.enter(server);
  await h.show(page, server, 'shop', 'users');
  await page.getByRole('button', { name: 'Menu of shop' }).click();
  await page.getByRole('button', { name: 'Create a store' }).click();
  await page.getByRole('radio', { name: 'Composite' }).click();
  await page.getByRole('button', { name: 'Add a part' }).click();
  const head = () => page.locator('.sample th').allTextContents();
  const first = () => page.locator('.sample tbody tr').first().locator('td').allTextContents();
  assert.deepEqual(await head(), ['id', 'part2']);
  await page.getByRole('button', { name: 'Move part 2 up' }).click();
  assert.deepEqual(await head(), ['part2', 'id']);
  assert.deepEqual(await first(), ['Ada', '-5']);
  await page.locator('.parts li').first().dragTo(page.locator('.parts li').nth(1));
  assert.deepEqual(await head(), ['id', 'part2']);
  await page.getByRole('button', { name: 'ascending' }).first().click();
  assert.deepEqual(await first(), ['42', 'Ada']);
  await page.getByLabel('Name', { exact: true }).fill('sop:mine');
  await page.waitForSelector('.fault');
  await page.getByLabel('Name', { exact: true }).fill('by-part');
  await page.waitForSelector('.fault', { state: 'detached' });
  await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
  await page.waitForSelector('dialog[open]', { state: 'detached' });
  const made = (await call.call('GET', `${call.db('shop')}/stores/by-part`)).body;
  assert.deepEqual(made.key.parts.map((p) => [p.name, p.type, p.descending === true]), [['id', 'int', true], ['part2', 'string', false]]);
  await page.getByRole('button', { name: 'Menu of users' }).click();
  await page.getByRole('button', { name: 'Name, key, rules' }).click();
  await page.waitForSelector('.locked');
  assert.ok((await page.locator('.locked').first().textContent()).length > 5);
  await page.context().close();
});

test('check 21: dropping asks for the name, cancel has the focus, and the data of a database stays', async () => {
  const page = await h.enter(server);
  await call.call('POST', `${call.db('shop')}/stores`, { name: 'doomed' });
  await h.show(page, server, 'shop', 'users');
  await page.reload();
  await page.getByRole('button', { name: 'Menu of doomed' }).click();
  await page.getByRole('button', { name: 'Drop', exact: true }).click();
  await page.waitForSelector('dialog[open]');
  await h.until(() => page.evaluate(() => document.activeElement.textContent === 'Cancel'));
  const drop = page.getByRole('dialog').getByRole('button', { name: 'Drop' });
  assert.ok(await drop.isDisabled());
  await page.getByLabel(/^Type/).fill('doomed');
  await drop.click();
  await page.waitForSelector('dialog[open]', { state: 'detached' });
  assert.equal((await call.call('GET', `${call.db('shop')}/stores/doomed`)).status, 404);
  await page.getByRole('button', { name: 'Menu of shop' }).click();
  await page.getByRole('button', { name: 'Remove' }).click();
  assert.equal(await page.getByLabel(/Also remove its data/).isChecked(), false);
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  assert.equal((await call.call('GET', call.db('shop'))).status, 200);
  await page.context().close();
});

test('check 24: a server that goes and comes back is noticed; staged edits stay, and events go on', async () => {
  const port = server.port;
  const page = await h.enter(server);
  await h.show(page, server, 'shop', 'users');
  await h.focus(page, 7, 'country');
  await page.keyboard.type('Kept');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.changebar');
  await server.stop();
  await page.waitForSelector('.banner', { timeout: 15_000 });
  await page.keyboard.press('Control+s');
  await page.waitForSelector('.toast.bad');
  await page.waitForSelector('.changebar');
  const again = await h.serve(['--registry', h.join(dir, 'registry.json'), '--root', dir], port);
  Object.assign(server, again, { cookie: server.cookie });
  await page.waitForSelector('.banner', { state: 'detached', timeout: 20_000 });
  await call.commit('shop', [{ op: 'put', store: 'users', k: key(9), v: { ...h.person(9), name: 'after the restart' } }]);
  await h.until(async () => (await h.cell(page, 9, 'name')) === 'after the restart', () => h.cell(page, 9, 'name'));
  await h.commit(page);
  assert.equal((await call.item('shop', 'users', key(7))).body.v.country, 'Kept');
  await page.context().close();
});

test('check 7: the server killed in the middle of a commit leaves none or all of 50', async () => {
  const port = server.port;
  const k = (i) => key(300 + i);
  for (let round = 0; round < 6; round++) {
    const ops = Array.from({ length: 50 }, (_, i) => ({ op: 'put', store: 'users', k: k(i), v: { round } }));
    const sent = call.commit('shop', ops).catch(() => null);
    await new Promise((go) => setTimeout(go, [0, 1, 2, 4, 8, 16][round]));
    await server.kill();
    await sent;
    Object.assign(server, await h.serve(['--registry', h.join(dir, 'registry.json'), '--root', dir], port), { cookie: server.cookie });
    const items = await Promise.all(ops.map((o) => call.item('shop', 'users', o.k)));
    const changed = items.filter((i) => i.body.v.round === round).length;
    assert.ok(changed === 0 || changed === 50, `${changed} of 50`);
  }
});

test('no page said an error, met the content policy, or asked elsewhere', () => assert.deepEqual(h.complaints.filter((c) => !c.includes('evil.example')), []));
