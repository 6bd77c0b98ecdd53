import { hash } from 'node:crypto';

/*
 * Merkle trees of RFC 6962 (section 2.1), SHA-256: a leaf is hashed behind the byte 0x00 and a node behind 0x01, so that neither can be
 * passed off as the other; a tree of n leaves splits at the largest power of two below n.
 */

const LEAF = Buffer.from([0]);
const NODE = Buffer.from([1]);

/** Of a tree without leaves: the hash of nothing. */
export const EMPTY_ROOT: Buffer = sha256(Buffer.alloc(0));

export function leafHash(data: Uint8Array): Buffer {
  return sha256(Buffer.concat([LEAF, data]));
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return sha256(Buffer.concat([NODE, left, right]));
}

export interface MerkleTree {
  /** Takes the hash of the next leaf. */
  readonly add: (leaf: Buffer) => void;
  /** Of the leaves so far; more may follow. */
  readonly root: () => Buffer;
}

/** A tree that grows leaf by leaf and remembers only the roots of its complete subtrees, largest first: log2(n) hashes. */
export function merkleTree(): MerkleTree {
  const complete: { root: Buffer; height: number }[] = [];
  return {
    add: (leaf) => {
      let joined = { root: leaf, height: 0 };
      for (let last = complete.at(-1); last?.height === joined.height; last = complete.at(-1)) {
        complete.pop();
        joined = { root: nodeHash(last.root, joined.root), height: joined.height + 1 };
      }
      complete.push(joined);
    },
    root: () =>
      complete.reduceRight<Buffer | null>((right, { root }) => (right === null ? root : nodeHash(root, right)), null) ?? EMPTY_ROOT,
  };
}

/** The root over hashes of leaves, in order. */
export function merkleRoot(leaves: readonly Buffer[]): Buffer {
  const tree = merkleTree();
  for (const leaf of leaves) tree.add(leaf);
  return tree.root();
}

/** The neighbours on the way from a leaf to the root, from below: what somebody needs to see that one leaf is in the tree. */
export function inclusionProof(leaves: readonly Buffer[], index: number): Buffer[] {
  if (index < 0 || index >= leaves.length) throw new RangeError('no such leaf');
  if (leaves.length === 1) return [];
  const split = largestPowerBelow(leaves.length);
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return index < split ? [...inclusionProof(left, index), merkleRoot(right)] : [...inclusionProof(right, index - split), merkleRoot(left)];
}

/** The root to which a leaf and its proof lead; null when the proof is not one for this place in a tree of `size` leaves. */
export function rootOfProof(leaf: Buffer, index: number, size: number, proof: readonly Buffer[]): Buffer | null {
  if (index < 0 || index >= size) return null;
  if (size === 1) return proof.length === 0 ? leaf : null;
  const neighbour = proof.at(-1);
  if (neighbour === undefined) return null;
  const split = largestPowerBelow(size);
  const below = proof.slice(0, -1);
  if (index < split) {
    const left = rootOfProof(leaf, index, split, below);
    return left === null ? null : nodeHash(left, neighbour);
  }
  const right = rootOfProof(leaf, index - split, size - split, below);
  return right === null ? null : nodeHash(neighbour, right);
}

function largestPowerBelow(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

function sha256(data: Uint8Array): Buffer {
  return hash('sha256', data, 'buffer');
}
