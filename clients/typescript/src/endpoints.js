// Where the transports are, derived from one URL. Pure.

import { fault } from './error.js';

/** By the names of transports, in the order in which they are tried. @typedef {{ websocket: string, sse?: string, poll?: string }} Endpoints */

/**
 * `/sse`, `/send` and `/poll` stand beside a path that ends in `/ws`.
 *
 * @param {string} url
 * @param {{ sse?: string, poll?: string }} given
 * @returns {Endpoints}
 */
export function endpointsOf(url, given) {
  const [, secure, place, query] = /^(?:ws|http)(s?):(\/\/[^?#]+)([^#]*)/.exec(url) ?? [];
  if (!place) throw fault('bad_url', `url: ${url}`);
  const beside = (/** @type {string} */ name) => (/[^/]\/ws$/.test(place) ? `http${secure}:${place.slice(0, -2)}${name}${query}` : undefined);
  const { sse = beside('sse'), poll = beside('poll') } = given;
  return { websocket: `ws${secure}:${place}${query}`, sse, poll };
}
