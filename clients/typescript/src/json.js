// The codec of JSON: values to frames and back. A frame is one envelope.

import { toBase64 } from './base64.js';

/**
 * @typedef {string | Uint8Array} Frame
 *
 * @typedef {object} Codec
 * @property {string} subprotocol
 * @property {string} contentType
 * @property {(value: any) => Frame} encode
 * @property {(frame: any) => any} decode
 * @property {(frame: any) => number} sizeOf in bytes
 * @property {(response: Response) => Promise<any>} read
 * @property {(data: Uint8Array) => { data: any, encoding?: "base64" }} bytes what a `publish` of bytes says
 * @property {(head: Record<string, any> | undefined, frames: Frame[]) => any} body what is posted: a list of frames, or `head`,
 *   which is not empty, with such a list as `requests`
 */

const encoder = new TextEncoder();

/** @type {Codec} */
export const json = {
  subprotocol: 'sluicegate.v1.json',
  contentType: 'application/json',
  encode: JSON.stringify,
  decode: JSON.parse,
  sizeOf: (frame) => encoder.encode(frame).length,
  read: (response) => response.json(),
  bytes: (data) => ({ data: toBase64(data), encoding: 'base64' }),
  body: (head, frames) => (head ? `${JSON.stringify(head).slice(0, -1)},"requests":[${frames}]}` : `[${frames}]`),
};
