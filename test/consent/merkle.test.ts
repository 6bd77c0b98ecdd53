import { describe, expect, test } from 'vitest';
import { EMPTY_ROOT, inclusionProof, leafHash, merkleRoot, merkleTree, nodeHash, rootOfProof } from '../../domain/evidence/merkle.ts';

/** The inputs and roots of the reference implementation of RFC 6962 (certificate-transparency, merkletree tests). */
const INPUTS = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
const leaves = INPUTS.map((input) => leafHash(Buffer.from(input, 'hex')));

describe('Merkle trees', () => {
  test('have the roots of RFC 6962, also while they grow', () => {
    expect(EMPTY_ROOT.toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(merkleTree().root()).toEqual(EMPTY_ROOT);
    const tree = merkleTree();
    leaves.forEach((leaf, index) => {
      tree.add(leaf);
      expect(tree.root().toString('hex')).toBe(ROOTS[index]);
      expect(merkleRoot(leaves.slice(0, index + 1)).toString('hex')).toBe(ROOTS[index]);
    });
  });

  test('prove each leaf, and nothing else', () => {
    for (let size = 1; size <= 70; size++) {
      const many = Array.from({ length: size }, (_, index) => leafHash(Buffer.from([index])));
      const root = merkleRoot(many);
      many.forEach((leaf, index) => {
        const proof = inclusionProof(many, index);
        expect(rootOfProof(leaf, index, size, proof)?.equals(root)).toBe(true);
        expect(rootOfProof(leafHash(Buffer.from('other')), index, size, proof)?.equals(root)).toBe(false);
        if (size > 1) expect(rootOfProof(leaf, (index + 1) % size, size, proof)?.equals(root) ?? false).toBe(false);
        expect(rootOfProof(leaf, index, size, [...proof, leaf])).toBeNull();
      });
    }
    expect(rootOfProof(leaves[0]!, 8, 8, [])).toBeNull();
    expect(() => inclusionProof(leaves, 8)).toThrow(RangeError);
  });

  test('tell leaves from nodes', () => {
    const [one, two] = [leaves[0]!, leaves[1]!];
    expect(leafHash(Buffer.concat([one, two])).equals(nodeHash(one, two))).toBe(false);
  });
});
