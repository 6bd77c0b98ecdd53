const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** A variable that a manifest names is not in the environment. Tells the name, never a value. */
export class MissingSecret extends Error {
  readonly variable: string;

  constructor(variable: string) {
    super(`the environment variable ${variable}, which the manifest names, is not set`);
    this.name = 'MissingSecret';
    this.variable = variable;
  }
}

/** Replaces each `${NAME}` by its value; throws MissingSecret for one that is unset or empty. */
export function resolveSecrets(text: string, env: Readonly<Record<string, string | undefined>>): string {
  return text.replace(VARIABLE, (_, variable: string) => {
    const value = env[variable];
    if (value === undefined || value === '') throw new MissingSecret(variable);
    return value;
  });
}
