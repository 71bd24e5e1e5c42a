-- For wrk: sends DEPTH requests at a time, its only argument.
local batch

init = function(arguments)
	local requests = {}
	for i = 1, tonumber(arguments[1]) do
		requests[i] = wrk.format()
	end
	batch = table.concat(requests)
end

request = function()
	return batch
end
