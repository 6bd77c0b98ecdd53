import { FAULT_POINTS, LOOP_FAULT_POINTS, REQUEST_FAULT_POINTS, type Faults, type LoopFaults } from '../database/faults.ts';

const POINTS: readonly string[] = [...FAULT_POINTS, ...REQUEST_FAULT_POINTS, ...LOOP_FAULT_POINTS];

const FREEZE = 'freeze ';

/**
 * For tests: `PROBITY_FAULT='after commit:3'` kills this process, without any farewell, when it reaches that point for the third time;
 * `'freeze after commit:3'` stops it there until SIGCONT. Unset, which is the rule, nothing happens.
 */
export function faultsFrom(setting: string | undefined): Faults & LoopFaults {
  if (setting === undefined || setting === '') return () => undefined;
  const freeze = setting.startsWith(FREEZE);
  const [point = '', count = '1'] = setting.slice(freeze ? FREEZE.length : 0).split(':');
  if (!POINTS.includes(point)) throw new Error(`PROBITY_FAULT names no fault point; there are: ${POINTS.join(', ')}`);
  let left = Number(count);
  return (reached: string) => {
    if (reached !== point || --left !== 0) return;
    if (freeze) process.stdout.write(`frozen at "${point}"\n`);
    process.kill(process.pid, freeze ? 'SIGSTOP' : 'SIGKILL');
  };
}
