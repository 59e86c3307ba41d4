// How often a list is asked for that the broker must look through all its sessions for.

// A broker with a million sessions shall not be kept busy by somebody who looks at it: at most one part in so many of the time.
const SHARE = 20;

// Calls `refresh` in the first round after so much time, and later if the answer took long.
export function paced(interval_ms, refresh) {
    let due = 0;
    return async () => {
        const began = performance.now();
        if (began < due) return;
        due = Infinity;
        try {
            await refresh();
        } finally {
            const now = performance.now();
            due = now + Math.max(interval_ms, (now - began) * SHARE);
        }
    };
}
