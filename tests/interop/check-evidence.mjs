// SPDX-License-Identifier: Apache-2.0
// Verifies a token, or a message with one, twice, by code that is not kapu's: @auth0/cose, and cborg
// with Node's own cryptography. Prints what it says as JSON.
//
//   node check-evidence.mjs --tee KEY [--ak KEY] FILE
//
// A KEY is a COSE_Key with an EC2 public key on P-256. With --ak the quote of a message is verified too.
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { COSEKey, Sign1 } from '@auth0/cose';
import { Tagged, decode, encode } from 'cborg';

const STRICT = { useMaps: true, strict: true, rejectDuplicateMapKeys: true, allowIndefinite: false };
const COSE_SIGN1 = 18;

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const sha256 = (bytes) => createHash('sha256').update(bytes).digest();

function need(holds, what) {
  if (!holds) {
    throw new Error(what);
  }
}

function publicKey(coseKey) {
  const key = decode(coseKey, STRICT);
  const coordinate = (label) => Buffer.from(key.get(label)).toString('base64url');
  need(key.get(1) === 2 && key.get(-1) === 1, 'not a key on P-256');
  return createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x: coordinate(-2), y: coordinate(-3) } });
}

function verified(publicKeyObject, bytes, signature) {
  return verify('sha256', bytes, { key: publicKeyObject, dsaEncoding: 'ieee-p1363' }, signature);
}

// By @auth0/cose: signature with the key, only ES256 allowed.
async function checkByAuth0(token, coseKey) {
  const sign1 = Sign1.decode(token);
  await sign1.verify(await COSEKey.import(coseKey).toKeyLike(), { algorithms: [-7] });
  return sign1.payload;
}

// By cborg and Node: the same, with the structure that is signed made here.
function checkByCborg(token, coseKey) {
  const outer = decode(token, { ...STRICT, tags: { [COSE_SIGN1]: Tagged.decoder(COSE_SIGN1) } });
  need(outer.tag === COSE_SIGN1 && outer.value.length === 4, 'not a COSE_Sign1');
  const [header, unprotected, payload, signature] = outer.value;
  const headers = decode(header, STRICT);
  need(unprotected.size === 0, 'there are unprotected headers');
  need(headers.get(1) === -7, 'the algorithm is not ES256');
  need(headers.get(16) === 'application/eat+cwt', 'the type is another');
  need(hex(headers.get(4)) === hex(sha256(coseKey)), 'the kid is not the thumbprint of the key');
  const structure = encode(['Signature1', header, new Uint8Array(0), payload]);
  need(verified(publicKey(coseKey), structure, signature), 'the signature does not verify');
  return payload;
}

// The quote's qualifying data is behind magic, type and the signer's name (TPMS_ATTEST).
function checkQuote(record, token, coseKey) {
  const [attest, signature] = decode(record[1], STRICT);
  need(verified(publicKey(coseKey), attest, signature), "the quote's signature does not verify");
  const view = Buffer.from(attest);
  need(view.readUInt32BE(0) === 0xff544347 && view.readUInt16BE(4) === 0x8018, 'not a quote');
  const at = 8 + view.readUInt16BE(6);
  need(view.readUInt16BE(at) === 32, 'qualifying data of another size');
  need(hex(view.subarray(at + 2, at + 34)) === hex(sha256(token)), 'a quote over another token');
}

function plain(value) {
  if (value instanceof Uint8Array) {
    return hex(value);
  }
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([k, v]) => [String(k), plain(v)]));
  }
  if (Array.isArray(value)) {
    return value.map(plain);
  }
  return typeof value === 'bigint' ? `0x${value.toString(16)}` : value;
}

async function main() {
  const { values, positionals } = parseArgs({
    options: { tee: { type: 'string' }, ak: { type: 'string' } }, allowPositionals: true,
  });
  need(values.tee && positionals.length === 1, 'usage: check-evidence --tee KEY [--ak KEY] FILE');
  const file = new Uint8Array(readFileSync(positionals[0]));
  const coseKey = new Uint8Array(readFileSync(values.tee));
  const message = file[0] === 0xc0 + COSE_SIGN1 ? null : decode(file, STRICT);
  const token = message ? message.get('eat')[1] : file;
  const payload = await checkByAuth0(token, coseKey);
  need(hex(payload) === hex(checkByCborg(token, coseKey)), 'the two read other payloads');
  const claims = decode(payload, STRICT);
  if (message && values.ak) {
    checkQuote(message.get('tpm'), token, new Uint8Array(readFileSync(values.ak)));
  }
  if (message && message.has('log')) {
    const boot = claims.get(266).get('boot');
    need(hex(boot.get(-70011)) === hex(sha256(message.get('log')[1])), 'another event log');
  }
  console.log(JSON.stringify({ verified: true, claims: plain(claims) }));
}

main().catch((error) => {
  console.error(`not verified: ${error.message}`);
  process.exitCode = 1;
});
