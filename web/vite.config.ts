// SPDX-License-Identifier: MIT
// Build configuration. The development server has a small in-memory API of its own (dev/), never shipped;
// with SOP_SERVER=http://127.0.0.1:PORT it passes requests on to a real one.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { devApi } from './dev/api.ts';

const target = process.env['SOP_SERVER'];

export default defineConfig({
  plugins: [svelte(), ...(target ? [] : [devApi()])],
  server: target ? { proxy: { '/api': { target, changeOrigin: true } } } : {},
  build: { target: 'es2022', modulePreload: { polyfill: false }, assetsInlineLimit: 0, sourcemap: false },
});
