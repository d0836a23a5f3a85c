%% gen_tcp by lines and by length, active and passive, gen_udp, the socket module, sendfile.
-module(sockets).
-export([main/0]).

say(Name) -> io:format("~s ok~n", [Name]).

lines() ->
    {ok, Listener} = gen_tcp:listen(0, [binary, {packet, line}, {active, false}]),
    {ok, Port} = inet:port(Listener),
    spawn(fun() -> accept(Listener) end),
    Me = self(),
    Client = fun() ->
        {ok, Socket} = gen_tcp:connect("localhost", Port, [binary, {packet, line}, {active, false}]),
        [begin
             Line = iolist_to_binary(["says ", integer_to_list(I), "\n"]),
             ok = gen_tcp:send(Socket, Line),
             Upper = string:uppercase(Line),
             {ok, Upper} = gen_tcp:recv(Socket, 0, 5000)
         end || I <- lists:seq(1, 50)],
        ok = gen_tcp:close(Socket),
        Me ! done
    end,
    [spawn_link(Client) || _ <- lists:seq(1, 30)],
    [receive done -> ok end || _ <- lists:seq(1, 30)],
    say("lines"),
    {error, timeout} = gen_tcp:accept(element(2, gen_tcp:listen(0, [])), 100),
    {ok, Unused} = gen_tcp:listen(0, []),
    {ok, Nobody} = inet:port(Unused),
    gen_tcp:close(Unused),
    {error, econnrefused} = gen_tcp:connect({127, 0, 0, 1}, Nobody, []),
    say("errors").

accept(Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    Pid = spawn(fun() -> receive go -> upper(Socket) end end),
    ok = gen_tcp:controlling_process(Socket, Pid),
    Pid ! go,
    accept(Listener).

upper(Socket) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, Line} -> ok = gen_tcp:send(Socket, string:uppercase(Line)), upper(Socket);
        {error, closed} -> gen_tcp:close(Socket)
    end.

active(Big) ->
    {ok, Listener} = gen_tcp:listen(0, [binary, {packet, 4}, {active, true}, {ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Listener),
    spawn_link(fun() -> {ok, Socket} = gen_tcp:accept(Listener), back(Socket) end),
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {packet, 4}]),
    ok = gen_tcp:send(Socket, Big),
    receive {tcp, Socket, Big} -> say("active") after 8000 -> error(timeout) end,
    gen_tcp:close(Socket).

back(Socket) ->
    receive
        {tcp, Socket, Data} -> ok = gen_tcp:send(Socket, Data), back(Socket);
        {tcp_closed, Socket} -> ok
    end.

datagrams() ->
    {ok, One} = gen_udp:open(0, [binary, {ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(One),
    {ok, Two} = gen_udp:open(0, [binary, {ip, {127, 0, 0, 1}}]),
    [begin
         ok = gen_udp:send(Two, {127, 0, 0, 1}, Port, <<I>>),
         receive {udp, One, From, Back, <<I>>} -> ok = gen_udp:send(One, From, Back, <<I, I>>) end,
         receive {udp, Two, _, Port, <<I, I>>} -> ok end
     end || I <- lists:seq(1, 100)],
    say("datagrams").

modern() ->
    {ok, Listener} = socket:open(inet, stream, tcp),
    ok = socket:bind(Listener, #{family => inet, addr => {127, 0, 0, 1}, port => 0}),
    ok = socket:listen(Listener),
    {ok, Name} = socket:sockname(Listener),
    spawn_link(fun() ->
        {ok, Socket} = socket:accept(Listener),
        {ok, Data} = socket:recv(Socket, 5),
        ok = socket:send(Socket, Data)
    end),
    {ok, Client} = socket:open(inet, stream, tcp),
    ok = socket:connect(Client, Name),
    ok = socket:send(Client, <<"hello">>),
    {ok, <<"hello">>} = socket:recv(Client, 5, 5000),
    say("socket").

files(Big) ->
    ok = file:write_file("big.bin", Big),
    {ok, Listener} = gen_tcp:listen(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Listener),
    spawn_link(fun() ->
        {ok, Socket} = gen_tcp:accept(Listener),
        {ok, _} = file:sendfile("big.bin", Socket),
        gen_tcp:close(Socket)
    end),
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    {ok, Big} = gen_tcp:recv(Socket, byte_size(Big), 8000),
    {error, closed} = gen_tcp:recv(Socket, 0, 8000),
    say("sendfile").

main() ->
    Big = random_bytes(3000000),
    lines(),
    active(Big),
    datagrams(),
    modern(),
    files(Big),
    init:stop().

random_bytes(N) -> list_to_binary([rand:uniform(256) - 1 || _ <- lists:seq(1, N)]).
