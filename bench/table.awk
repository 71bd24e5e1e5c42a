# Prints results (results.awk) as Markdown.

# What the first ratio is to.
function yardstick(workload, key, better) {
	return is_known(workload, key, "ceiling") ? "ceiling" : best_peer(workload, key, better)
}

function cell(workload, key, better, server) {
	if (!is_known(workload, key, server))
		return "-"
	if (better == "plain")
		return number(median(workload, key, server))
	return number(median(workload, key, server)) " (" \
		ratio(workload, key, server, yardstick(workload, key, better)) ", " ratio(workload, key, server, "corelay") ")"
}

function row(workload, server,    i) {
	if (!is_known(workload, metric_key[workload, 1], server))
		return
	printf "| %s |", server
	for (i = 1; i <= metric_count[workload]; i++)
		printf " %s |", cell(workload, metric_key[workload, i], metric_better[workload, i], server)
	printf " %.1f %% |\n", spread(workload, metric_key[workload, 1], server)
}

function best_of_peers(workload,    i, key, better, name, all) {
	for (i = 1; i <= metric_count[workload]; i++) {
		key = metric_key[workload, i]
		better = metric_better[workload, i]
		name = better == "plain" ? "" : best_peer(workload, key, better)
		if (name != "")
			all = all (all == "" ? "" : "; ") metric_heading[workload, i] " " name ", " \
				ratio(workload, key, "corelay", name)
	}
	if (all != "")
		printf "\nThe best of the peers, and Corelay's ratio to it: %s.\n", all
}

END {
	printf "# Benchmark\n\n%s\n\n", about
	print "In brackets: the ratio to the ceiling, or where there is none to the best of the peers, and to Corelay. *Spread* is half"
	print "the distance between the best and the worst round of the first figure. *Busy* is how much of its processor the"
	print "server had to do: below 95 % the load was the bottleneck, and the processor time for each unit is the figure to"
	print "compare, not the rate."
	if (plot)
		printf "\n![The first figure of each workload](%s)\n", plot
	for (w = 1; w <= workload_count; w++) {
		name = workloads[w]
		printf "\n## %s\n\n| %s |", title[name], name
		for (i = 1; i <= metric_count[name]; i++)
			printf " %s |", metric_heading[name, i]
		printf " spread |\n|---|"
		for (i = 1; i <= metric_count[name]; i++)
			printf "---:|"
		print "---:|"
		for (s = 1; s <= server_count; s++)
			row(name, servers[s])
		best_of_peers(name)
	}
	if (skipped_count)
		print "\nNot measured:\n"
	for (i = 1; i <= skipped_count; i++)
		print "* " skipped[i]
}
