# Reads the results of scripts/bench, lines of fields between tabs:
#
#   about     TEXT
#   server    NAME
#   skipped   NAME      REASON
#   workload  NAME      TITLE
#   metric    WORKLOAD  KEY     HEADING  more|less|plain
#   value     WORKLOAD  KEY     SERVER   NUMBER
#
# The first metric of a workload is its headline. Comes before table.awk or plot.awk, which print what was read.

BEGIN { FS = "\t" }

$1 == "about" { about = $2 }
$1 == "server" { servers[++server_count] = $2 }
$1 == "skipped" { skipped[++skipped_count] = $2 ": " $3 }
$1 == "workload" { workloads[++workload_count] = $2; title[$2] = $3 }
$1 == "metric" {
	n = ++metric_count[$2]
	metric_key[$2, n] = $3
	metric_heading[$2, n] = $4
	metric_better[$2, n] = $5
}
$1 == "value" { values[$2, $3, $4] = values[$2, $3, $4] " " $5 }

# The numbers of a list, sorted, in v[1..n]; returns n.
function sorted(list, v,    n, i, j, x) {
	n = split(list, v, " ")
	for (i = 2; i <= n; i++) {
		x = v[i] + 0
		for (j = i - 1; j > 0 && v[j] + 0 > x; j--)
			v[j + 1] = v[j]
		v[j + 1] = x
	}
	return n
}

function is_known(workload, key, server) {
	return (workload, key, server) in values
}

function median(workload, key, server,    v, n) {
	n = sorted(values[workload, key, server], v)
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}

# Half the distance from the least to the greatest, in percent of the median.
function spread(workload, key, server,    v, n, m) {
	n = sorted(values[workload, key, server], v)
	m = median(workload, key, server)
	return m ? 50 * (v[n] - v[1]) / m : 0
}

function number(x) {
	return sprintf(x >= 100 || x <= -100 ? "%.0f" : x >= 10 ? "%.1f" : "%.2f", x)
}

# Which of the servers beside the ceiling and Corelay has the best figure; "" where none has one.
function best_peer(workload, key, better,    s, m, best, name) {
	for (s = 1; s <= server_count; s++) {
		if (servers[s] == "ceiling" || servers[s] == "corelay" || !is_known(workload, key, servers[s]))
			continue
		m = median(workload, key, servers[s])
		if (name == "" || (better == "more" ? m > best : m < best)) {
			best = m
			name = servers[s]
		}
	}
	return name
}

# To another server's figure; "-" where there is none.
function ratio(workload, key, server, to,    base) {
	if (!is_known(workload, key, server) || !is_known(workload, key, to))
		return "-"
	base = median(workload, key, to)
	return base > 0 ? sprintf("%.2f", median(workload, key, server) / base) : "-"
}
