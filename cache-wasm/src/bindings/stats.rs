//! Statistics as the object that `CacheStats` of `js/types.ts` describes.

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::JsValue;

use crate::stats::{CategoryStats, Stats, SubscriptionStats};

/// The whole, but for what JavaScript counts.
pub(super) fn write(stats: &Stats) -> JsValue {
    let Stats { categories, max_bytes, shared_bytes, removals, stream, fills } = stats;
    let counters = &stream.counters;
    object(&[
        ("categories", categories.iter().map(category).collect::<Array>().into()),
        ("maxBytes", count(*max_bytes)),
        ("sharedBytes", count(*shared_bytes)),
        ("removals", {
            let removals: alloc::vec::Vec<_> =
                removals.iter().map(|(reason, removed)| (reason.name(), count(*removed))).collect();
            object(&removals)
        }),
        (
            "stream",
            object(&[
                ("state", stream.state.into()),
                ("connects", count(stream.connects)),
                ("applied", count(counters.applied)),
                ("duplicates", count(counters.duplicates)),
                ("gaps", count(counters.gaps)),
                ("resets", count(counters.resets)),
                ("heartbeats", count(counters.heartbeats)),
                ("bytesReceived", count(counters.bytes_received)),
                ("vouchedAgo", stream.vouched_ago.into()),
                ("subscriptions", stream.subscriptions.iter().map(subscription).collect::<Array>().into()),
            ]),
        ),
        (
            "fills",
            object(&[
                ("started", count(fills.started)),
                ("accepted", count(fills.accepted)),
                ("discarded", count(fills.discarded)),
                ("failed", count(fills.failed)),
            ]),
        ),
    ])
}

fn category(CategoryStats { name, entries, max, bytes }: &CategoryStats) -> JsValue {
    object(&[
        ("name", name.as_str().into()),
        ("entries", (*entries).into()),
        ("max", (*max).into()),
        ("bytes", count(*bytes)),
    ])
}

fn subscription(SubscriptionStats { scope, position, live }: &SubscriptionStats) -> JsValue {
    object(&[("scope", scope.as_str().into()), ("position", position.as_deref().into()), ("live", (*live).into())])
}

/// Counts stay below 2^53.
fn count(number: u64) -> JsValue {
    (number as f64).into()
}

fn object(members: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in members {
        // A plain object refuses no member.
        drop(Reflect::set(&object, &(*name).into(), value));
    }
    object.into()
}
