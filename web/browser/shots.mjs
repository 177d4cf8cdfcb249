// SPDX-License-Identifier: MIT
// Pictures of the main states in both themes into shots/ (all states with --all), over the real server.
import * as h from './harness.mjs';
import { enterAs, SMALL, STATES, world } from './states.mjs';

const out = h.join(h.ROOT, 'web/shots');
h.mkdirSync(out, { recursive: true });
const server = await world();
for (const theme of ['light', 'dark']) {
  const page = await enterAs(server, theme);
  for (const [name, main, go, leave] of STATES) {
    await go(page, server, theme);
    await page.evaluate(() => document.fonts.ready);
    await page.waitForTimeout(350);
    if (main || process.argv.includes('--all')) await page.screenshot({ path: h.join(out, `${name}-${theme}.png`) });
    await leave?.(page);
  }
  for (const [name, viewport] of process.argv.includes('--all') ? SMALL : []) {
    await page.setViewportSize(viewport);
    await h.show(page, server, 'shop', 'users', '?q=country+%3D+Japan');
    await page.waitForTimeout(350);
    await page.screenshot({ path: h.join(out, `${name}-${theme}.png`) });
  }
  await page.context().close();
}
await h.close();
await server.stop();
console.log(`pictures are in ${out}`);
process.exit(h.complaints.length ? (console.error(h.complaints.join('\n')), 1) : 0);
