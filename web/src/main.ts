// SPDX-License-Identifier: MIT
// Entry of the page: trade the launch token for a session, then show the app.
import { mount } from 'svelte';
import interUrl from '@fontsource-variable/inter/files/inter-latin-wght-normal.woff2?url';
import './app.css';
import './grid/grid.css';
import App from './app/App.svelte';
import { app } from './app/state.svelte';

/** The type face comes after the data; until then, and for other scripts, that of the system is used. */
function loadFont(): void {
  const face = new FontFace('Inter Variable', `url(${interUrl})`, { weight: '100 900' });
  face.load().then((f) => document.fonts.add(f)).catch(() => {});
}

app
  .boot()
  .catch((e: unknown) => app.fail(e))
  .finally(() => setTimeout(loadFont, 300));
mount(App, { target: document.getElementById('app')! });
