"""What a browser is shown when nobody is logged in."""

LOGIN_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Fallline: log in</title></head>
<body>
<h1>Log in to Fallline</h1>
<p>Open the address with <code>/login?token=</code> that the server printed when it started,
or put your token behind it yourself:</p>
<pre>/login?token=YOUR_TOKEN</pre>
<p>The administrator's token is in the file <code>token</code> of Fallline's home folder on the
machine that runs it. Programs send a token in the header
<code>Authorization: Bearer YOUR_TOKEN</code>.</p>
</body>
</html>
"""
