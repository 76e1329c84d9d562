//! The style sheet, the scripts and the icon, and the headers under which a browser handles them.
//!
//! The assets are part of the program. They are served with a tag made of their hash, so that a browser
//! keeps them and still never runs those of an older build.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
            REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// Refuses everything but what the node itself serves; no script or style stands in a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// A file that pages refer to.
pub(super) struct Asset {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) text: &'static str,
}

macro_rules! asset {
    ($name:literal, $kind:literal) => {
        Asset {
            name: $name,
            kind: $kind,
            text: include_str!(concat!("../../assets/", $name)),
        }
    };
}

/// Every asset.
pub(super) const ASSETS: [Asset; 6] = [
    Asset {
        name: "style.css",
        kind: "text/css; charset=utf-8",
        text: concat!(
            include_str!("../../assets/style/base.css"),
            include_str!("../../assets/style/frame.css"),
            include_str!("../../assets/style/parts.css"),
            include_str!("../../assets/style/lists.css"),
            include_str!("../../assets/style/tables.css"),
        ),
    },
    asset!("dashboard.js", "text/javascript; charset=utf-8"),
    asset!("live.js", "text/javascript; charset=utf-8"),
    asset!("map.js", "text/javascript; charset=utf-8"),
    asset!("times.js", "text/javascript; charset=utf-8"),
    asset!("icon.svg", "image/svg+xml"),
];

/// One tag for all assets: they change together, with the build.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for asset in &ASSETS {
        hash.update(asset.text);
    }
    format!("\"{}\"", HEXLOWER.encode(&hash.finalize()[..8]))
});

/// Serves an asset, or tells the browser that it has the right one.
pub(super) async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = [(ETAG, TAG.as_str()), (CACHE_CONTROL, "no-cache")];
    if headers
        .get(IF_NONE_MATCH)
        .is_some_and(|held| held == TAG.as_str())
    {
        return (StatusCode::NOT_MODIFIED, tag).into_response();
    }
    (tag, [(CONTENT_TYPE, asset.kind)], asset.text).into_response()
}

/// Adds the headers that keep a page to itself; pages are not kept by the browser.
pub(super) async fn guard(mut response: Response) -> Response {
    let fixed = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    let headers = response.headers_mut();
    headers.extend([
        fixed(CONTENT_SECURITY_POLICY, POLICY),
        fixed(X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Under `no-referrer` a form names no origin, and what names none is taken for another site's.
        fixed(REFERRER_POLICY, "same-origin"),
        fixed(
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        fixed(
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ]);
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
