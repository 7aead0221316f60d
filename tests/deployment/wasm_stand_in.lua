-- Stands for resty.proxy-wasm of wasm-nginx-module: the same functions with the same results, and in the module's place
-- a few lines that do what the test asks for in x-test. Like the module, it lets no x-mcp-* of a client pass.
local filter = {}

local asked = function()
    return ngx.ctx.asked or ""
end

local log = function(...)
    ngx.log(ngx.WARN, "stand-in: ", ...)
end

function filter.load(name, path)
    local file, problem = io.open(path)
    if not file then
        return nil, problem
    end
    file:close()
    return { name = name }
end

function filter.on_configure(plugin, configuration)
    if configuration:find('"refused"', 1, true) then
        return nil, "failed to run proxy_on_configure"
    end
    log("configured ", plugin.name)
    return { plugin = plugin }
end

function filter.on_http_request_headers(context)
    assert(context.plugin)
    ngx.ctx.asked = ngx.req.get_headers()["x-test"]
    local says = ngx.req.get_headers()["x-says"]
    local session = ngx.req.get_headers()["mcp-session-id"]
    for name in pairs(ngx.req.get_headers(0)) do
        if name:find("^x%-mcp%-") then
            ngx.req.clear_header(name)
        end
    end
    if asked() == "trap" then
        return nil, "failed to run proxy_on_http_request_headers"
    elseif asked() == "error" then
        error("as the test wants it")
    elseif asked() == "refuse" then
        ngx.status = 401
        ngx.print("who are you?")
        return ngx.exit(401)
    end
    ngx.req.set_header("x-mcp-method", says)
    ngx.req.set_header("x-mcp-session", session)
    if asked():find("body") then
        ngx.var.wasm_process_req_body = "1"
    end
    return true
end

function filter.on_http_request_body(context, body, last)
    assert(context.plugin and last == true and type(body) == "string")
    if asked() == "trap at body" then
        return nil, "failed to run proxy_on_http_request_body"
    end
    ngx.req.set_header("x-read", #body .. " " .. ngx.md5(body))
    return true
end

function filter.on_http_response_headers(context)
    assert(context.plugin)
    ngx.header["x-filtered"] = "yes"
    if asked() == "trap at answer" then
        return nil, "failed to run proxy_on_http_response_headers"
    end
    if asked() == "answer" then
        ngx.var.wasm_process_resp_body = "1"
    end
    return true
end

function filter.on_http_response_body(context)
    assert(context.plugin)
    log("piece ", #ngx.arg[1], " ", tostring(ngx.arg[2]))
    return true
end

return filter
