// SPDX-License-Identifier: MIT
// What the browser tests stand on: a folder of their own, a `sop serve` on a free port, and Chromium.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const SOP = process.env.SOP ?? ['build/sop', 'build-dev/sop'].map((p) => join(ROOT, p)).find(existsSync) ?? 'sop';
const FLAGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--force-prefers-reduced-motion', '--enable-precise-memory-info'];
const running = new Set();

export function folder() {
  const dir = mkdtempSync(join(tmpdir(), 'sop-page-'));
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Run a command of `sop`; its output. */
export function sop(args, input) {
  const r = spawnSync(SOP, args, { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (r.status !== 0) throw new Error(`sop ${args.join(' ')}: ${r.status} ${r.stderr}`);
  return r.stdout;
}

/** Load records (objects with an id) into a new store, as a person would. */
export function load(db, store, records, key = 'id', more = []) {
  const file = join(dirname(db), `${store}.ndjson`);
  writeFileSync(file, records.map((r) => (typeof r === 'string' ? r : JSON.stringify(r))).join('\n') + '\n');
  sop(['import', db, store, file, '--key', key, '--quiet', ...more]);
  rmSync(file);
}

/** Start `sop serve`; the answer knows its address and how to stop it, gently or not. */
export async function serve(args, port = 0) {
  const child = spawn(SOP, ['serve', ...args, ...(process.env.SOP_PAGE ? ['--page', process.env.SOP_PAGE] : []), '--no-browser', '--json', '--port', String(port)], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let err = '';
  child.stderr.on('data', (d) => (err += d));
  const line = await new Promise((done, fail) => {
    let out = '';
    child.stdout.on('data', (d) => {
      out += d;
      if (out.includes('\n')) done(out);
    });
    child.on('exit', (code) => fail(new Error(`sop serve ended with ${code}: ${err}`)));
  });
  const { address, token } = JSON.parse(line);
  const stop = (signal) =>
    new Promise((done) => {
      running.delete(child);
      if (child.exitCode !== null || child.signalCode !== null) return done();
      child.once('exit', () => done());
      child.kill(signal);
    });
  return { address, token, pid: child.pid, port: Number(new URL(address).port), stop: () => stop('SIGTERM'), kill: () => stop('SIGKILL') };
}
process.on('exit', () => running.forEach((c) => c.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

let browser;
export async function launch() {
  browser ??= await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
  return browser;
}
export async function close() {
  await browser?.close();
  browser = undefined;
}

/** Everything that no page may ever say: errors of scripts, reports of the content policy, requests elsewhere. */
export const complaints = [];

/** A browser of its own, signed in. The launch token works once; others come in with its cookie. */
export async function enter(server, options = {}) {
  const context = await (await launch()).newContext({ viewport: { width: 1440, height: 900 }, permissions: ['clipboard-read', 'clipboard-write'], ...options });
  if (server.cookie) await context.addCookies([server.cookie]);
  const page = await open(context, server);
  if (!server.cookie) {
    await page.goto(`${server.address}/#token=${server.token}`);
    await page.waitForSelector('.g-cell .key, .start, .blank h2, .empty');
    server.cookie = (await context.cookies()).find((c) => c.name.startsWith('sop_session'));
  }
  return page;
}
export async function open(context, server) {
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on('console', (m) => {
    const expected = /status of (401|403|404|409|422|421|501|503)|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_NETWORK/.test(m.text());
    if (m.type() === 'error' && !expected) complaints.push(`console: ${m.text()}`);
  });
  page.on('pageerror', (e) => complaints.push(`script: ${e.stack ?? e.message}`));
  page.on('request', (r) => {
    const url = new URL(r.url());
    if (/^https?:$/.test(url.protocol) && url.origin !== server.address) complaints.push(`request to ${url.origin}`);
  });
  page.on('dialog', (d) => {
    complaints.push(`dialog: ${d.message()}`);
    void d.dismiss();
  });
  return page;
}

const enc = encodeURIComponent;
export const addressOf = (server, d, s, query = '', r = 'local') => `${server.address}/r/${enc(r)}/d/${enc(d)}/s/${enc(s)}${query}`;
export async function show(page, server, d, s, query = '', r = 'local') {
  await page.goto(addressOf(server, d, s, query, r));
  await page.waitForSelector('.g-row:not([hidden]) .g-cell .key');
  await page.waitForTimeout(50);
}

export const token = (k) => Buffer.from(JSON.stringify(k)).toString('base64url');
/** The API as a program uses it, with the session of a page. */
export function api(server, r = 'local') {
  const call = async (method, path, body) => {
    const headers = { 'X-SOP-Request': '1', Cookie: `${server.cookie.name}=${server.cookie.value}`, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) };
    const answer = await fetch(`${server.address}/api/v1${path}`, { method, headers, body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body) });
    const text = await answer.text();
    return { status: answer.status, text, body: text === '' ? null : JSON.parse(text) };
  };
  const db = (d) => `/r/${enc(r)}/d/${enc(d)}`;
  return {
    call,
    db,
    item: (d, s, k) => call('GET', `${db(d)}/stores/${enc(s)}/items/${token(k)}`),
    items: async (d, s, q = 'limit=1000') => (await call('GET', `${db(d)}/stores/${enc(s)}/items?${q}`)).body,
    commit: (d, ops, more = {}) => call('POST', `${db(d)}/commits`, { id: `t-${Date.now()}-${Math.random().toString(36).slice(2)}`, ops, ...more }),
    commits: async (d) => (await call('GET', `${db(d)}/commits`)).body.commits,
    put: (d, store, k, v) => api(server, r).commit(d, [{ op: 'put', store, k, v }]),
  };
}

/** The one rule of accessibility: nothing serious, nothing critical. Rows of the grid are all alike, so the first few stand for them. */
export async function axe(page) {
  const { violations } = await new AxeBuilder({ page }).exclude('.g-row:nth-child(n + 7)').analyze();
  return violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.any[0]?.message ?? ''}`).join(' | ')}`);
}

/** Text of the cell of a row (counted from 1, as shown) and a column title. */
export async function cell(page, row, title) {
  return page.evaluate(
    ([n, t]) => {
      const heads = [...document.querySelectorAll('.g-th')];
      const col = heads.find((h) => h.querySelector('b').textContent === t)?.getAttribute('aria-colindex');
      const line = [...document.querySelectorAll('.g-row:not([hidden])')].find((r) => r.querySelector('.g-num').textContent.replace(/\D/g, '') === String(n));
      return line?.querySelector(`[aria-colindex="${col}"]`)?.textContent;
    },
    [row, title],
  );
}
/** Wait until something holds; say what was there instead when it never does. */
export async function until(holds, what = () => '', ms = 10_000) {
  const end = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain${what ? `: ${await what()}` : ''}`);
    await new Promise((go) => setTimeout(go, 30));
  }
}
export const firstRow = (page) => page.evaluate(() => Math.min(...[...document.querySelectorAll('.g-row:not([hidden]) .g-num')].map((e) => Number(e.textContent.replace(/\D/g, '')))));
export async function goto(page, text) {
  await page.keyboard.press('Control+g');
  await page.keyboard.type(text);
  await page.keyboard.press('Enter');
}
export const currentRow = (page, n) => page.waitForFunction((t) => document.querySelector('.g-row.cur:not([hidden]) .g-num')?.textContent === t && !document.querySelector('.g-row.cur .skeleton'), n.toLocaleString('en'), { polling: 'raf' });
/** Put the focus on a cell by keyboard: row from 1, column by title. */
export async function focus(page, row, title) {
  await goto(page, `#${row}`);
  await currentRow(page, row);
  await page.keyboard.press('Home');
  for (let i = 0; i < 300; i++) {
    const here = await page.evaluate(async () => {
      await new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)));
      const id = document.querySelector('[role=grid]').getAttribute('aria-activedescendant');
      const col = document.getElementById(id)?.getAttribute('aria-colindex');
      return [...document.querySelectorAll('.g-th')].find((h) => h.getAttribute('aria-colindex') === col)?.querySelector('b').textContent;
    });
    if (here === title) return;
    await page.keyboard.press('ArrowRight');
  }
  throw new Error(`no column ${title}`);
}
export async function commit(page) {
  await page.keyboard.press('Control+s');
  await page.waitForSelector('.toast.good');
  await page.waitForSelector('.changebar', { state: 'detached' });
}

/** How much longer than on a machine of its own everything takes just now: others may be at work here. */
function contention() {
  const [t, cpu] = [performance.now(), process.cpuUsage()];
  for (let used = 0; used < 60_000; ) {
    const now = process.cpuUsage(cpu);
    used = now.user + now.system;
  }
  return Math.max(1, (performance.now() - t) / 60);
}
const round = (n) => Math.round(n * 10) / 10;
/** A budget: the median of the runs is reported; only beyond three times of it is a failure. */
export function budget(t, what, runs, limit, unit = 'ms') {
  const sorted = [...runs].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  const busy = unit === 'ms' ? contention() : 1;
  t.diagnostic(`${what}: median ${round(median)} ${unit} of ${runs.length} (budget ${limit} ${unit})${median > limit ? ' OVER BUDGET' : ''}${busy > 1.3 ? `, on a machine ${round(busy)} times busy` : ''}`);
  if (median > 3 * limit * busy) throw new Error(`${what}: ${round(median)} ${unit} is beyond three times the budget of ${limit} ${unit}`);
}
export async function times(n, run) {
  const out = [];
  for (let i = 0; i < n; i++) {
    const t = performance.now();
    await run(i);
    out.push(performance.now() - t);
  }
  return out;
}

const FIRST = ['Ada', 'Grace', 'Linus', 'Radia', 'Donald', 'Barbara', 'Ken', 'Margaret', 'Edsger', 'Tony', 'Leslie', 'Dennis'];
const LAST = ['Lovelace', 'Hopper', 'Knuth', 'Perlman', 'Liskov', 'Hamilton', 'Dijkstra', 'Hoare', 'Lamport', 'Ritchie', 'Thompson'];
const LAND = ['Japan', 'Norway', 'Brazil', 'Kenya', 'France', 'India', 'Chile', 'Canada', 'Germany', 'Philippines'];
const STATE = ['active', 'active', 'pending', 'closed', 'suspended'];
const mix = (i, salt) => {
  let x = Math.imul(i + 1, 2654435761) ^ Math.imul(salt, 40503);
  x ^= x >>> 15;
  x = Math.imul(x, 2246822519);
  return (x ^ (x >>> 13)) >>> 0;
};
const pick = (list, i, salt) => list[mix(i, salt) % list.length];
/** Record i of the made people, counted from 1; the same in every run. */
export function person(i) {
  const first = pick(FIRST, i, 1);
  const last = pick(LAST, i, 2);
  return {
    id: i,
    name: `${first} ${last}`,
    email: `${first}.${last}${i}@example.org`.toLowerCase(),
    country: pick(LAND, i, 3),
    status: pick(STATE, i, 4),
    age: 18 + (mix(i, 5) % 70),
    balance: (mix(i, 6) % 1000000) / 100,
    joined: new Date(1.6e12 + (mix(i, 7) % 1e9) * 100).toISOString().slice(0, 10),
    verified: mix(i, 8) % 3 > 0,
    address: { city: `City ${mix(i, 11) % 500}`, zip: String(mix(i, 12) % 100000).padStart(5, '0') },
  };
}
export const people = (n) => Array.from({ length: n }, (_, i) => person(i + 1));
export { existsSync, join, mkdirSync, ROOT, spawnSync, writeFileSync };
