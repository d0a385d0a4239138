// Whether a licence expression (SPDX, Annex D) lets us give something away: of OR one side is enough, of AND both count.

import { LICENCES } from './rules.mjs';

/** `MIT/Apache-2.0`, an older way of crates, means OR. */
export function isAllowedLicence(expression) {
  const tokens = (expression ?? '').replaceAll('/', ' OR ').match(/[()]|[^\s()]+/g) ?? [];
  let at = 0;

  function either() {
    let allowed = both();
    while (tokens[at] === 'OR') {
      at++;
      const other = both();
      allowed = allowed || other;
    }
    return allowed;
  }

  function both() {
    let allowed = one();
    while (tokens[at] === 'AND') {
      at++;
      const other = one();
      allowed = allowed && other;
    }
    return allowed;
  }

  function one() {
    if (tokens[at] !== '(') {
      const name = tokens[at++];
      if (tokens[at] !== 'WITH') return LICENCES.has(name);
      at += 2;
      return LICENCES.has(`${name} WITH ${tokens[at - 1]}`);
    }
    at++;
    const allowed = either();
    return tokens[at++] === ')' && allowed;
  }

  const allowed = either();
  return allowed && at === tokens.length;
}
