<?php
// What PHP's built-in server serves.
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    echo strlen(file_get_contents('php://input'));
} elseif ($_SERVER['REQUEST_URI'] === '/big') {
    echo str_repeat('b', 3000000);
} else {
    echo 'hello from ', PHP_SAPI;
}
