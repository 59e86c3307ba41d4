//! `/`: a page for people, of files that are part of the program. It has no figures itself: its scripts ask for them with the token.

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::IntoResponse;
use axum::routing::get;

/// Nothing but what this server sends may run or be asked, and no other page may show this one in a frame. Text can become markup
/// nowhere, not by mistake either (Trusted Types).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static str,
}

macro_rules! script {
    ($name:literal) => {
        File {
            path: concat!("/page/", $name),
            content_type: "text/javascript; charset=utf-8",
            content: include_str!(concat!("page/", $name)),
        }
    };
}

const FILES: &[File] = &[
    File { path: "/", content_type: "text/html; charset=utf-8", content: include_str!("page/index.html") },
    File { path: "/page/page.css", content_type: "text/css; charset=utf-8", content: include_str!("page/page.css") },
    script!("page.js"),
    script!("api.js"),
    script!("bans.js"),
    script!("chart.js"),
    script!("client.js"),
    script!("clients.js"),
    script!("dialogs.js"),
    script!("element.js"),
    script!("findings.js"),
    script!("format.js"),
    script!("history.js"),
    script!("overview.js"),
    script!("pace.js"),
    script!("slow.js"),
    script!("trace.js"),
];

/// A route for each file.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.iter().fold(Router::new(), |router, file| router.route(file.path, get(async || answer(file))))
}

/// Whether a path is one of the page's, which anybody may read: they are the same wherever this program runs.
pub fn has(path: &str) -> bool {
    FILES.iter().any(|file| file.path == path)
}

fn answer(file: &'static File) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, file.content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        // Another version of the program has other files.
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, file.content)
}
