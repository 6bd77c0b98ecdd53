import { FAULT_POINTS, type Faults } from '../database/faults.ts';

/**
 * For tests: `PROBITY_FAULT='after commit:3'` kills this process, without any farewell, when it reaches that point for the third time.
 * Unset, which is the rule, nothing happens.
 */
export function faultsFrom(setting: string | undefined): Faults {
  if (setting === undefined || setting === '') return () => undefined;
  const [point = '', count = '1'] = setting.split(':');
  if (!FAULT_POINTS.some((known) => known === point))
    throw new Error(`PROBITY_FAULT names no fault point; there are: ${FAULT_POINTS.join(', ')}`);
  let left = Number(count);
  return (reached) => {
    if (reached === point && --left === 0) process.kill(process.pid, 'SIGKILL');
  };
}
