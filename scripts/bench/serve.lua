-- wrk: posts a picture as the form's field "image", and prints a JSON line in the end.
--   wrk ... -s serve.lua URL -- PICTURE
function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  local picture = file:read("*a")
  file:close()
  local boundary = "gx-7f3a"
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "multipart/form-data; boundary=" .. boundary
  wrk.body = "--" .. boundary .. '\r\nContent-Disposition: form-data; name="image"; filename="galaxy.jpg"\r\n'
    .. "Content-Type: image/jpeg\r\n\r\n" .. picture .. "\r\n--" .. boundary .. "--\r\n"
end

function done(summary, latency, requests)
  local e = summary.errors
  print(string.format(
    '{"requests":%d,"seconds":%.3f,"p50_ms":%.2f,"p99_ms":%.2f,"max_ms":%.2f,"not_2xx":%d,"broken":%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3, e.status, e.connect + e.read + e.write + e.timeout))
end
