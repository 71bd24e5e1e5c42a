# Draws results (results.awk) as SVG: a panel for each workload, a bar for each server's first figure.

function text(x, y, class, anchor, words) {
	gsub(/&/, "\\&amp;", words)
	gsub(/</, "\\&lt;", words)
	printf "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" text-anchor=\"%s\">%s</text>\n", x, y, class, anchor, words
}

function panel_servers(workload,    s, n) {
	for (s = 1; s <= server_count; s++)
		n += is_known(workload, metric_key[workload, 1], servers[s])
	return n
}

function panel_height(workload) {
	return heading_height + panel_servers(workload) * bar_step + gap
}

function panel(workload, x, y,    key, s, largest, m, length_) {
	key = metric_key[workload, 1]
	text(x, y + 14, "title", "start", title[workload])
	text(x, y + 30, "note", "start", metric_heading[workload, 1] ", " metric_better[workload, 1] " is better")
	for (s = 1; s <= server_count; s++)
		if (is_known(workload, key, servers[s]) && median(workload, key, servers[s]) > largest)
			largest = median(workload, key, servers[s])
	y += heading_height
	for (s = 1; s <= server_count; s++) {
		if (!is_known(workload, key, servers[s]))
			continue
		m = median(workload, key, servers[s])
		length_ = largest > 0 && m > 0 ? m / largest * bar_length : 0
		text(x + name_width - 6, y + 12, "name", "end", servers[s])
		printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"2\" class=\"%s\"/>\n", x + name_width, y + 1, \
			length_ < 1 ? 1 : length_, bar_step - 5, \
			servers[s] == "corelay" ? "corelay" : servers[s] == "ceiling" ? "ceiling" : "peer"
		text(x + name_width + length_ + 5, y + 12, "figure", "start", number(m) \
			(servers[s] == "corelay" ? "" : " (" ratio(workload, key, servers[s], "corelay") " of Corelay)"))
		y += bar_step
	}
}

END {
	columns = 2; panel_width = 480; name_width = 96; bar_length = 210
	heading_height = 38; bar_step = 20; gap = 26; margin = 20

	# Rows of panels, each as high as its highest.
	y = margin
	for (w = 1; w <= workload_count; w++) {
		column = (w - 1) % columns
		if (column == 0)
			row_height = 0
		left[w] = margin + column * panel_width
		top[w] = y
		if (panel_height(workloads[w]) > row_height)
			row_height = panel_height(workloads[w])
		if (column == columns - 1 || w == workload_count)
			y += row_height
	}
	width = columns * panel_width + margin
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n", \
		width, y + margin, width, y + margin
	print "<title>Corelay and its peers, one processor each</title>"
	print "<style>"
	print "text { font: 12px sans-serif; fill: #24292f } .title { font-weight: bold; font-size: 13px }"
	print ".note { fill: #57606a; font-size: 11px } .figure { font-size: 11px }"
	print ".page { fill: #ffffff } .corelay { fill: #0969da } .ceiling { fill: #8c959f } .peer { fill: #b6c2cf }"
	print "@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .note { fill: #9198a1 } .page { fill: #0d1117 }"
	print ".corelay { fill: #4493f8 } .ceiling { fill: #6e7681 } .peer { fill: #3d4752 } }"
	print "</style>"
	printf "<rect class=\"page\" width=\"%d\" height=\"%d\"/>\n", width, y + margin
	for (w = 1; w <= workload_count; w++)
		panel(workloads[w], left[w], top[w])
	print "</svg>"
}
