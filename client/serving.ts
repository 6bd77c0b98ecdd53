export { durability, durable, type Durability } from './durability.ts';
