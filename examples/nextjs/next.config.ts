import type { NextConfig } from "next";

const config: NextConfig = {
  poweredByHeader: false,
  // The arguments of server functions are names and birth dates of patients. The development server would log them.
  logging: { serverFunctions: false },
  // The folder of this app; without it, Next.js looks for a lock file in the folders above.
  turbopack: { root: import.meta.dirname },
  outputFileTracingRoot: import.meta.dirname,
};

export default config;
