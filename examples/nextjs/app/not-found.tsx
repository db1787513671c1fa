import Link from "next/link";

import { Logo } from "@/components/logo";

export default function NotFound() {
  return (
    <main className="entrance">
      <Logo />
      <h1>This page does not exist</h1>
      <Link href="/">First page</Link>
    </main>
  );
}
