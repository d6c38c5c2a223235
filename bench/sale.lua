-- Load for `POST /api/cc`: one SALE after another, each with an id of its own, over 100,000 cards.
--
--   wrk -t2 -c64 -d10s -s sale.lua http://HOST:PORT -- RUN
--
-- RUN (eight characters) opens every transaction_unique_id, so that runs do not meet. Every answer is read: only code 0
-- is a success. What done() prints after "RESULT" is JSON, times in microseconds.

local CARDS = 100000
local threads = {}

function setup(thread)
    thread:set("number", #threads)
    table.insert(threads, thread)
end

-- The digit that makes digits .. digit pass the Luhn check.
local function luhn_digit(digits)
    local sum, double = 0, true
    for i = #digits, 1, -1 do
        local d = digits:byte(i) - 48
        if double then
            d = d * 2
            if d > 9 then d = d - 9 end
        end
        sum = sum + d
        double = not double
    end
    return (10 - sum % 10) % 10
end

-- Digits seven and eight are not 77, which would choose a scenario of the sandbox.
function card_number(i)
    local digits = string.format("41111100%07d", i)
    return digits .. luhn_digit(digits)
end

local head, before_id, before_card, after_card

local function make_body(id, card)
    return before_id .. id .. before_card .. card .. after_card
end

function init(args)
    local run = args[1] or "bench000"
    prefix = string.format("%s%02d", run, number)
    before_id = '{"api_version":1,"merchant_account":"demo_merchant","merchant_password":"demo_password",'
        .. '"transaction_type":"SALE","transaction_unique_id":"'
    before_card = '","amount":12.5,"currency":"EUR","card_number":"'
    after_card = '","card_exp_month":"12","card_exp_year":"2031","cvv":"123","first_name":"Ann",'
        .. '"last_name":"Lee","card_holder":"ANN LEE","zip":"01001","country":"LTU","address":"1 Main St",'
        .. '"city":"Vilnius","user_email":"ann@example.com","user_ip":"192.0.2.7"}'
    local length = #make_body(prefix .. string.rep("0", 10), card_number(0))
    head = string.format("POST /api/cc HTTP/1.1\r\nHost: %s:%s\r\nAccept: application/json\r\n"
        .. "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", wrk.host, wrk.port, length)
    cards = {}
    for i = 0, CARDS - 1 do cards[i] = card_number(i) end
    sent, good, bad, first_bad = 0, 0, 0, ""
end

function request()
    sent = sent + 1
    local card = cards[(sent + number * 49999) % CARDS]
    return head .. make_body(string.format("%s%010d", prefix, sent), card)
end

function response(status, headers, body)
    if status == 200 and body:find('"code":%s*0[,}%s]') then
        good = good + 1
    else
        if bad == 0 then first_bad = status .. " " .. body:sub(1, 300) end
        bad = bad + 1
    end
end

local function quoted(text)
    return '"' .. text:gsub('[%c"\\]', function(c) return string.format("\\u%04x", c:byte()) end) .. '"'
end

function done(summary, latency, requests)
    local total_good, total_bad, example = 0, 0, ""
    for _, thread in ipairs(threads) do
        total_good = total_good + thread:get("good")
        total_bad = total_bad + thread:get("bad")
        if example == "" then example = thread:get("first_bad") end
    end
    local e = summary.errors
    io.write(string.format('RESULT {"good":%d,"bad":%d,"example":%s,"duration_us":%d,'
        .. '"socket_errors":%d,"timeouts":%d,"p50":%d,"p99":%d,"p999":%d,"max":%d}\n',
        total_good, total_bad, quoted(example), summary.duration, e.connect + e.read + e.write, e.timeout,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
