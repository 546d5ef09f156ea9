-- What mails may say of themselves: users their own names only, others no verdict in our name.
local lua_mime = require "lua_mime"
local lua_util = require "lua_util"

-- Takes seconds over large texts.
config.regexp.BITCOIN_ADDR = nil

-- A rule that takes 0.3 s while another waits for the DNS makes Rspamd 3.12 start a timer; where that is the last
-- thing that a mail waits for, it outlives the mail, and the worker crashes. So each mail waits for an instant more.
rspamd_config:register_symbol {
  name = "OUTLIVES_TIMER", type = "postfilter", flags = "empty,ignore_passthrough", priority = lua_util.symbols_priorities.low,
  callback = function(task) task:add_timer(0.001, function() end) end,
}

-- Written by mail-directory: "address login[,login…]", read again when it changes.
local senders = rspamd_config:add_map {
  type = "hash", url = "/var/lib/mail-host/senders.map", description = "addresses and who may send as them",
}

-- In the order of Postfix's smtpd_sender_login_maps: address, without extension, catch-all.
local function belongs(address, login)
  address = address:lower()
  local name, domain = address:match("^([^@]+)@([^@]+)$")
  if not name then return false end
  local logins = senders:get_key(address) or senders:get_key(name:gsub("%+.*", "") .. "@" .. domain)
    or senders:get_key("@" .. domain)
  return logins and ("," .. logins .. ","):find("," .. login:lower() .. ",", 1, true) ~= nil
end

-- The only address in a header as it was written: [words] <address>, or address. No groups, lists, or routes.
local function only_address(raw)
  local text = raw:gsub("[\r\n]", ""):gsub('\\.', ""):gsub('"[^"]*"', "")
  repeat
    local before = text
    text = text:gsub("%([^()]*%)", "")
  until text == before
  local address = text:match("^[^<>@,:;()\"]*<%s*([^<>%s]+)%s*>%s*$") or text:match("^%s*(%S+)%s*$")
  return address and address:match("^[%w._+-]+@[%w.-]+$")
end

-- Why a header cannot stand, or nil. Every address in it must belong: also one that poses as a name.
local function complaint(name, header, login)
  local address = only_address(header.value)
  if not address then return name .. " header must hold one address" end
  if not belongs(address, login) then return name .. " address " .. address .. " does not belong to " .. login end
  for word in (header.decoded or ""):gmatch("[%w._+-]+@[%w-]+%.[%w.-]*%w") do
    if not belongs(word, login) then return name .. " name " .. word .. " does not belong to " .. login end
  end
end

local claims = { from = "From", sender = "Sender", ["resent-from"] = "Resent-From", ["resent-sender"] = "Resent-Sender" }

local function refusal(task, login)
  local count = {}
  local problem
  task:headers_foreach(function(name, header)
    local claim = claims[name:lower():gsub("%s", "")]
    if not claim then return end
    count[claim] = (count[claim] or 0) + 1
    problem = problem or (count[claim] > 1 and "more than one " .. claim .. " header") or complaint(claim, header, login)
  end, { full = true })
  return problem or (not count.From and "there is no From header")
end

rspamd_config:register_symbol {
  name = "HEADER_FROM", type = "prefilter", flags = "empty,explicit_disable", priority = lua_util.symbols_priorities.top,
  callback = function(task)
    local login = task:get_user()
    if not login then return end
    if senders:get_nelts() == 0 then
      task:set_pre_result("soft reject", "The list of senders is not there yet")
      return
    end
    local problem = refusal(task, login)
    if problem then task:set_pre_result("reject", problem) end
  end,
}

-- Verdicts of others, by which ours could be forged or Junk be steered; and what tells where users are.
local verdicts = { "^authentication%-results$", "^x%-spam", "^x%-rspamd" }
local traces = { "^received$", "^user%-agent$", "^x%-mailer$", "^x%-originating%-ip$" }

-- After all checks, since signatures may cover these headers.
rspamd_config:register_symbol {
  name = "HEADERS_OF_OTHERS", type = "postfilter", flags = "empty,ignore_passthrough", priority = lua_util.symbols_priorities.top,
  callback = function(task)
    local patterns = task:get_user() and lua_util.table_merge(verdicts, traces) or verdicts
    local remove = {}
    task:headers_foreach(function(name)
      for _, pattern in ipairs(patterns) do
        if name:lower():gsub("%s", ""):match(pattern) then remove[name] = 0 end
      end
    end)
    if next(remove) then lua_mime.modify_headers(task, { remove = remove }) end
  end,
}

-- The word of RFC 8617 for a broken chain.
local arc = require("lua_auth_results").default_settings.arc_symbols
arc.reject, arc.fail = nil, arc.reject

-- Within the comments of Authentication-Results a parenthesis of the sender's would end the comment.
local quote = lua_util.maybe_smtp_quote_value
lua_util.maybe_smtp_quote_value = function(text)
  return quote((text:gsub('[()\\";%c]', "_")))
end
