-- For bench:front: what wrk saw, as one line of JSON.
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"count":%d,"errors":%d,"seconds":%.6f,"p50Ms":%.4f,"p99Ms":%.4f}\n',
    summary.requests, e.connect + e.read + e.write + e.status + e.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
