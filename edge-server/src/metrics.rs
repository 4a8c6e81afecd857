//! The names and meanings of what `/metrics` shows, in Prometheus' text format.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Makes the recorder of this process, once; several servers of one process share it.
pub fn recorder() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // Another recorder may have been set by whoever embeds this; then nothing is recorded here.
        let _installed = metrics::set_global_recorder(recorder);
        describe();
        handle
    })
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("edge_upstream_requests_total", "Requests to upstreams, by source and result");
    describe_histogram!("edge_upstream_seconds", "Time of an upstream's answer, by source");
    describe_counter!("edge_records_total", "Rows of upstream answers, by source and fate");
    describe_counter!("edge_rejects_total", "Rows refused, by source and reason");
    describe_histogram!("edge_store_seconds", "Time of a call to a store across a network, by call, with its retries");
    describe_counter!("edge_store_errors_total", "Calls to a store across a network that failed, by kind");
    describe_counter!("edge_store_retries_total", "Calls to a store across a network that were made again");
    describe_counter!("edge_follow_filled_total", "Commits that were read from the log, not heard on the channel");
    describe_counter!("edge_follow_lost_total", "Times that a partition's log did not go on, and followers began anew");
    describe_counter!("edge_follow_let_go_total", "Announcements without room, which are read from the log instead");
    describe_counter!("edge_follow_resubscribed_total", "Times that the store's channel was subscribed to again");
    describe_counter!("edge_commits_total", "Commits, by result");
    describe_counter!("edge_writes_total", "Values written, by fate");
    describe_histogram!("edge_batch_items", "Values of a commit of the pipeline");
    describe_counter!("edge_conflated_total", "Records that a newer one replaced before they were committed");
    describe_gauge!("edge_waiting_records", "Records that wait for their commit");
    describe_counter!("edge_published_total", "Commits handed to followers");
    describe_gauge!("edge_connections", "WebSocket connections");
    describe_counter!("edge_subscriptions_total", "Subscriptions begun, by mode");
    describe_counter!("edge_frames_sent_total", "Frames sent");
    describe_counter!("edge_bytes_sent_total", "Bytes of frames sent");
    describe_counter!("edge_closed_total", "Connections closed by this side, by code");
    describe_counter!("edge_prefetch_reads_total", "Reads that the prefetch model was taught");
    describe_gauge!("edge_prefetch_contexts", "Keys whose successors the prefetch model keeps");
    describe_gauge!("edge_prefetch_transitions", "Transitions that the prefetch model keeps");
    describe_gauge!("edge_prefetch_withheld", "Transitions that fewer than k readers made, which are told to nobody");
    describe_counter!("edge_audit_samples_total", "Changes that the auditor sampled");
    describe_counter!("edge_audit_checks_total", "Reads of sampled changes, by seconds after the change and result");
    describe_gauge!(
        "edge_audit_consistency",
        "Share of the checks that can be judged that read nothing older, by seconds after the change"
    );
    describe_counter!("edge_http_requests_total", "HTTP requests, by route and status");
}
